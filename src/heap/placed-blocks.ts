import { SnapheapError } from '../errors'
import { damaged } from './file-format'
import type { Files } from './files'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'

/** A block of a file whose bytes do not match their checksum. */
export interface DamagedBlock {
  /** Its number in the heap. */
  readonly block: number
  /** Its number in the file. */
  readonly place: number
}

/** Places next to each other that hold blocks. */
export interface PlaceRun {
  readonly from: number
  readonly count: number
}

/** An open file. */
interface OpenFile {
  readonly path: string
  readonly fd: number
}

/** Damaged blocks that an error names; the others it counts. */
const MOST_NAMED = 10
const NO_MARKS = new Uint8Array(0)

/** What lies at each place of a file, as one or more of its maps say. */
export class PlacedBlocks {
  /** Place -> 1 + the logical block there; 0 where no map has one. */
  private readonly blockAt: Uint32Array
  private readonly checksumAt: Uint32Array
  /** Places that hold a block. */
  count = 0

  constructor(
    private readonly memory: Memory,
    fileBlocks: number,
  ) {
    this.blockAt = new Uint32Array(fileBlocks)
    this.checksumAt = new Uint32Array(fileBlocks)
  }

  /** Adds what a map says. Returns what is wrong with it, in words. */
  add(places: Uint32Array, checksums: Uint32Array): string | undefined {
    const seen = new Uint8Array(this.blockAt.length)
    for (let block = 0; block < places.length; block++) {
      const place = places[block]
      if (place === 0) continue
      if (seen[place] === 1) return `its map gives place ${place} to two blocks`
      seen[place] = 1
      if (this.blockAt[place] === 0) {
        this.count++
        this.blockAt[place] = block + 1
        this.checksumAt[place] = checksums[block]
      } else if (this.checksumAt[place] !== checksums[block])
        return `two of its maps have different checksums for place ${place}`
    }
    return undefined
  }

  /** How many of the places with a block are marked. */
  countMarked(marks: Uint8Array): number {
    return this.blockAt.reduce((count, block, place) => (block !== 0 && marks[place] === 1 ? count + 1 : count), 0)
  }

  /** CRC-32C of the block at a place, undefined where there is none. */
  checksumOf(place: number): number | undefined {
    return place < this.blockAt.length && this.blockAt[place] !== 0 ? this.checksumAt[place] : undefined
  }

  /** Every place that is not marked, ascending, in runs of at most `most`. */
  private *runs(most: number, marks: Uint8Array = NO_MARKS): Generator<PlaceRun> {
    const { blockAt } = this
    const isMeant = (place: number): boolean => blockAt[place] !== 0 && marks[place] !== 1
    for (let from = 1; from < blockAt.length; ) {
      if (!isMeant(from)) {
        from++
        continue
      }
      let count = 1
      while (count < most && from + count < blockAt.length && isMeant(from + count)) count++
      yield { from, count }
      from += count
    }
  }

  /** The blocks of a run that do not match their checksums. */
  private damagedIn({ from, count }: PlaceRun, bytes: Uint8Array): DamagedBlock[] {
    const found: DamagedBlock[] = []
    for (let i = 0; i < count; i++) {
      const place = from + i
      const checksum = this.memory.crc32c(bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES))
      if (checksum !== this.checksumAt[place]) found.push({ block: this.blockAt[place] - 1, place })
    }
    return found
  }

  /**
   * Reads every place at once. Returns what is damaged. Throws `CORRUPT` where the file is too short, and what `fs`
   * throws.
   */
  check(files: Files, { path, fd }: OpenFile, most: number): DamagedBlock[] {
    const buffer = new Uint8Array(most * BLOCK_BYTES)
    const found: DamagedBlock[] = []
    for (const run of this.runs(most)) {
      const bytes = buffer.subarray(0, run.count * BLOCK_BYTES)
      if (files.read(fd, bytes, run.from * BLOCK_BYTES) < bytes.length) throw tooShort(path)
      for (const each of this.damagedIn(run, bytes)) found.push(each)
    }
    return found
  }

  /** The same off the event loop, run by run, each of at most `most` blocks, without the places that are marked. */
  async *checkAsync(
    files: Files,
    { path, fd }: OpenFile,
    most: number,
    marks?: Uint8Array,
  ): AsyncGenerator<{ run: PlaceRun; damaged: DamagedBlock[] }> {
    const buffer = new Uint8Array(most * BLOCK_BYTES)
    for (const run of this.runs(most, marks)) {
      const bytes = buffer.subarray(0, run.count * BLOCK_BYTES)
      if ((await files.readAsync(fd, bytes, run.from * BLOCK_BYTES)) < bytes.length) throw tooShort(path)
      yield { run, damaged: this.damagedIn(run, bytes) }
    }
  }
}

/** The error that names damaged blocks, up to a limit. */
export function damagedBlocks(path: string, found: readonly DamagedBlock[]): SnapheapError {
  const named = found.slice(0, MOST_NAMED)
  const rest = found.length > named.length ? ` and ${found.length - named.length} more` : ''
  const what =
    found.length === 1
      ? `block ${found[0].block}, at byte ${found[0].place * BLOCK_BYTES}, does not match its checksum`
      : `blocks ${named.map(({ block }) => block).join(', ')}${rest} do not match their checksums`
  return new SnapheapError('CORRUPT', `${path} is damaged: ${what}. Restore it from a copy.`, {
    path,
    blocks: named.map(({ block }) => block),
    places: named.map(({ place }) => place),
    damagedBlocks: found.length,
  })
}

function tooShort(path: string): SnapheapError {
  return damaged(path, 'it is shorter than its map says, or became so while it was read')
}
