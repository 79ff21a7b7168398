import { DDL_PREFIX } from './ddl-trigger'
import type { Lsn } from './lsn'

const BEGIN = 0x42 // 'B'
const COMMIT = 0x43 // 'C'
const RELATION = 0x52 // 'R'
const MESSAGE = 0x4d // 'M'
/** Of a message of protocol version 1: behind its type, flags and LSN. */
const PREFIX_OFFSET = 10
const DDL_MESSAGE = Buffer.from(`${DDL_PREFIX}\0`)
const LENGTH_BYTES = 4
const SMALLEST_BYTES = 1 << 16
/** A buffer that a large transaction has made larger than this is given back once it is empty. */
const KEPT_BYTES = 1 << 22

/** In place of an oid: any relation may have changed. */
export const ANY_RELATION = 0

/** A transaction that describes relations: something about them may have changed since they were described before. */
export interface Description {
  readonly finalLsn: Lsn
  readonly xid: number
  readonly oids: number[]
}

/** Raw messages of the stream that wait to be applied, in order, copied out of the chunks they came in. */
export class TransactionBuffer {
  /** Transactions whose commit is in the buffer. */
  wholeCount = 0
  bytes = Buffer.allocUnsafe(SMALLEST_BYTES)
  /** The message that `shift` took: `bytes[start, end)`. */
  start = 0
  end = 0
  /** Where the next message's length stands. */
  private next = 0
  private filled = 0
  /** Where the transaction that came last was committed, and its number. */
  private lastBegun: { finalLsn: Lsn; xid: number } | undefined
  /** Transactions that describe relations, in order. */
  private readonly describing: Description[] = []

  get sizeBytes(): number {
    return this.filled - this.next
  }

  append(source: Buffer, start: number, end: number): void {
    const needed = LENGTH_BYTES + end - start
    if (this.filled + needed > this.bytes.length) this.makeRoom(needed)
    this.bytes.writeUInt32LE(end - start, this.filled)
    source.copy(this.bytes, this.filled + LENGTH_BYTES, start, end)
    this.filled += needed
    const type = source[start]
    if (type === COMMIT) this.wholeCount++
    else if (type === BEGIN)
      this.lastBegun = { finalLsn: source.readBigUInt64BE(start + 1), xid: source.readUInt32BE(start + 17) }
    else if (type === RELATION) this.noteDescription(source.readUInt32BE(start + 1))
    else if (type === MESSAGE && isOfTrigger(source, start + PREFIX_OFFSET, end)) this.noteDescription(ANY_RELATION)
  }

  private noteDescription(oid: number): void {
    const last = this.describing.at(-1)
    if (last !== undefined && last.finalLsn === this.lastBegun?.finalLsn) last.oids.push(oid)
    else if (this.lastBegun !== undefined) this.describing.push({ ...this.lastBegun, oids: [oid] })
  }

  /**
   * What the transaction committed at `finalLsn` describes, as far as it has come; undefined where it describes
   * nothing.
   */
  descriptionsAt(finalLsn: Lsn): Description | undefined {
    while (this.describing.length > 0 && this.describing[0]!.finalLsn < finalLsn) this.describing.shift()
    const first = this.describing[0]
    return first?.finalLsn === finalLsn ? first : undefined
  }

  /** Takes the next message; false if there is none. */
  shift(): boolean {
    if (this.next === this.filled) {
      this.clear()
      return false
    }
    this.start = this.next + LENGTH_BYTES
    this.end = this.start + this.bytes.readUInt32LE(this.next)
    this.next = this.end
    if (this.bytes[this.start] === COMMIT) this.wholeCount--
    return true
  }

  /** Where the transaction that comes next was committed; undefined unless one begins here. */
  get nextFinalLsn(): Lsn | undefined {
    const at = this.next + LENGTH_BYTES
    return this.next < this.filled && this.bytes[at] === BEGIN ? this.bytes.readBigUInt64BE(at + 1) : undefined
  }

  private clear(): void {
    this.next = this.filled = 0
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafe(SMALLEST_BYTES)
  }

  private makeRoom(needed: number): void {
    const { sizeBytes } = this
    const target =
      (sizeBytes + needed) * 2 > this.bytes.length ? Buffer.allocUnsafe((sizeBytes + needed) * 2) : this.bytes
    this.bytes.copy(target, 0, this.next, this.filled)
    this.bytes = target
    this.next = 0
    this.filled = sizeBytes
  }
}

function isOfTrigger(source: Buffer, start: number, end: number): boolean {
  return (
    end - start >= DDL_MESSAGE.length &&
    source.compare(DDL_MESSAGE, 0, DDL_MESSAGE.length, start, start + DDL_MESSAGE.length) === 0
  )
}
