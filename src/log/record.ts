import { SnapheapError } from '../errors'
import type { Changes } from '../heap/changes'
import type { Memory } from '../heap/memory'
import { BLOCK_MARK, RECORD, RECORD_FEATURES, RECORD_FLAG, RUN_WORDS_SHIFT } from './format'

/** A commit larger than this is cut into parts, each a record. */
export const PART_BYTES = 1 << 23

/** What a record says of itself. */
export interface RecordHead {
  readonly version: number
  readonly previousVersion: number
  readonly syncedVersion: number
  readonly timeMs: number
  /** 0 in format 1. */
  readonly epoch: number
  readonly annotation: string
  /** Of this record and of the one before. */
  readonly checksum: number
  readonly previousChecksum: number
  readonly sizeBytes: number
  readonly isLast: boolean
  readonly hasMovedAddresses: boolean
  /** Whether the commit begins its epoch. */
  readonly isClaim: boolean
  readonly flags: number
}

export interface CommitFacts {
  readonly version: number
  readonly syncedVersion: number
  readonly timeMs: number
  readonly epoch: number
  readonly isClaim: boolean
  readonly annotation: string
}

const doubles = new Float64Array(1)
const doubleHalves = new Int32Array(doubles.buffer)

/** Bytes of records that are not in the file yet: commits append, the owner takes them out. Grows, never shrinks. */
export class RecordBuffer {
  /** Checksum of the last record: the next one continues it. */
  checksum = 0
  private units = new Int32Array(1 << 16)
  private bytesView = new Uint8Array(this.units.buffer)
  private count = 0

  constructor(
    private readonly memory: Memory,
    private readonly partBytes: number,
  ) {}

  get sizeBytes(): number {
    return this.count * 4
  }

  /** The bytes that stand in it: valid until the next change. */
  get bytes(): Uint8Array {
    return this.bytesView.subarray(0, this.sizeBytes)
  }

  /** A place to come back to. */
  mark(): { count: number; checksum: number } {
    return { count: this.count, checksum: this.checksum }
  }

  /** Removes the records appended since. */
  reset(mark: { count: number; checksum: number }): void {
    this.count = mark.count
    this.checksum = mark.checksum
  }

  clear(): void {
    this.count = 0
  }

  /**
   * Appends a commit: one record, or several where it is large, with `onPart` after each but the last; it may take them
   * out.
   */
  append(changes: Changes, facts: CommitFacts, onPart: () => void): void {
    const annotation = facts.annotation === '' ? NO_BYTES : new TextEncoder().encode(facts.annotation)
    let start = this.begin(facts, annotation, changes.moves)
    let block = 0
    let isNamed = false
    const flags = (changes.hasMovedAddresses ? RECORD_FLAG.movedAddresses : 0) | (facts.isClaim ? RECORD_FLAG.claim : 0)
    changes.eachRun(
      (next) => {
        block = next
        isNamed = false
      },
      (offset, words, halves, index) => {
        if ((this.count - start) * 4 > this.partBytes) {
          this.end(start, flags)
          onPart()
          start = this.begin(facts, NO_BYTES, NO_MOVES)
          isNamed = false
        }
        this.reserve(words * 2 + 2)
        if (!isNamed) this.units[this.count++] = block | BLOCK_MARK
        isNamed = true
        this.units[this.count++] = offset | (words << RUN_WORDS_SHIFT)
        if (words < 32) for (let i = 0; i < words * 2; i++) this.units[this.count++] = halves[index + i]
        else {
          this.units.set(halves.subarray(index, index + words * 2), this.count)
          this.count += words * 2
        }
      },
    )
    this.end(start, flags | RECORD_FLAG.last)
  }

  private begin(facts: CommitFacts, annotation: Uint8Array, moves: readonly number[]): number {
    const start = this.count
    const annotationUnits = Math.ceil(annotation.length / 8) * 2
    this.reserve(RECORD.units + annotationUnits + moves.length)
    const { units } = this
    this.putDouble(start + RECORD.version, facts.version)
    this.putDouble(start + RECORD.previousVersion, facts.version - 1)
    this.putDouble(start + RECORD.syncedVersion, facts.syncedVersion)
    this.putDouble(start + RECORD.timeMs, facts.timeMs)
    units[start + RECORD.annotationBytes] = annotation.length
    units[start + RECORD.moves] = moves.length / 2
    this.putDouble(start + RECORD.epoch, facts.epoch)
    units[start + RECORD.unpackedBytes] = 0
    units[start + RECORD.unpackedBytes + 1] = 0
    this.count = start + RECORD.units
    units.fill(0, this.count, this.count + annotationUnits)
    this.bytesView.set(annotation, this.count * 4)
    this.count += annotationUnits
    for (const block of moves) units[this.count++] = block | 0
    return start
  }

  private end(start: number, flags: number): void {
    if ((this.count & 1) === 1) {
      this.reserve(1)
      this.units[this.count++] = 0
    }
    const { units } = this
    const size = (this.count - start) * 4
    units[start + RECORD.size] = size
    units[start + RECORD.flags] = flags
    units[start + RECORD.previousChecksum] = this.checksum | 0
    this.checksum = this.memory.crc32c(this.bytesView.subarray((start + 2) * 4, start * 4 + size))
    units[start + RECORD.checksum] = this.checksum | 0
  }

  private putDouble(unit: number, value: number): void {
    doubles[0] = value
    this.units[unit] = doubleHalves[0]
    this.units[unit + 1] = doubleHalves[1]
  }

  private reserve(units: number): void {
    if (this.count + units <= this.units.length) return
    let length = this.units.length * 2
    while (length < this.count + units) length *= 2
    const larger = new Int32Array(length)
    larger.set(this.units.subarray(0, this.count))
    this.units = larger
    this.bytesView = new Uint8Array(larger.buffer)
  }
}

const NO_BYTES = new Uint8Array(0)
const NO_MOVES: readonly number[] = []

/**
 * Bytes that hold records, each at a multiple of 8, and the same as numbers. Their address must be such a multiple too.
 */
export class RecordBytes {
  readonly units: Int32Array
  readonly doubles: Float64Array

  constructor(
    readonly bytes: Uint8Array,
    /** Units in the header of each record. */
    readonly headUnits: number,
  ) {
    const { buffer, byteOffset, length } = bytes
    this.units = new Int32Array(buffer, byteOffset, length >>> 2)
    this.doubles = new Float64Array(buffer, byteOffset, length >>> 3)
  }
}

/** The record at `offset` of the first `length` bytes; undefined if it is not complete. Throws `VERSION`. */
export function decodeHead(
  memory: Memory,
  { bytes, units, doubles, headUnits }: RecordBytes,
  offset: number,
  length: number,
): RecordHead | undefined {
  if (offset + headUnits * 4 > length) return undefined
  const unit = offset >>> 2
  const sizeBytes = units[unit + RECORD.size] >>> 0
  if (sizeBytes < headUnits * 4 || sizeBytes % 8 !== 0 || offset + sizeBytes > length) return undefined
  const checksum = units[unit + RECORD.checksum] >>> 0
  if (memory.crc32c(bytes.subarray(offset + 8, offset + sizeBytes)) !== checksum) return undefined
  const double = (at: number): number => doubles[(unit + at) >>> 1]
  const flags = units[unit + RECORD.flags]
  if ((flags & RECORD_FEATURES.incompatible) !== 0) throw unknownFeatures(flags & RECORD_FEATURES.incompatible)
  const annotationBytes = units[unit + RECORD.annotationBytes] >>> 0
  const at = offset + headUnits * 4
  return {
    version: double(RECORD.version),
    previousVersion: double(RECORD.previousVersion),
    syncedVersion: double(RECORD.syncedVersion),
    timeMs: double(RECORD.timeMs),
    epoch: headUnits > RECORD.epoch ? double(RECORD.epoch) : 0,
    annotation: annotationBytes === 0 ? '' : new TextDecoder().decode(bytes.subarray(at, at + annotationBytes)),
    checksum,
    previousChecksum: units[unit + RECORD.previousChecksum] >>> 0,
    sizeBytes,
    isLast: (flags & RECORD_FLAG.last) !== 0,
    hasMovedAddresses: (flags & RECORD_FLAG.movedAddresses) !== 0,
    isClaim: (flags & RECORD_FLAG.claim) !== 0,
    flags,
  }
}

/** The error for records of a newer release, which this build must not read, or not write behind. */
export function unknownFeatures(flags: number): SnapheapError {
  return new SnapheapError(
    'VERSION',
    `The log has records with features (0x${(flags >>> 0).toString(16)}) that this build does not know. Use a ` +
      'newer release of snapheap.',
    { flags: flags >>> 0 },
  )
}

/** What does again what a record says. */
export interface Redo {
  move(from: number, to: number): void
  /** Names the block of the runs that follow. */
  open(block: number): void
  write(offset: number, words: number, units: Int32Array, index: number): void
}

/** Does again what a whole record says: in the order in which it was done. */
export function redo({ units, headUnits }: RecordBytes, offset: number, target: Redo): void {
  const start = offset >>> 2
  const end = start + (units[start + RECORD.size] >>> 2)
  let at = start + headUnits + Math.ceil((units[start + RECORD.annotationBytes] >>> 0) / 8) * 2
  for (let i = units[start + RECORD.moves]; i > 0; i--, at += 2) target.move(units[at] >>> 0, units[at + 1] >>> 0)
  while (at < end) {
    const unit = units[at++]
    if (unit < 0) {
      target.open(unit & ~BLOCK_MARK)
      continue
    }
    const words = unit >>> RUN_WORDS_SHIFT
    if (words === 0) break // the filling of an odd unit
    target.write(unit & 0xffff, words, units, at)
    at += words * 2
  }
}
