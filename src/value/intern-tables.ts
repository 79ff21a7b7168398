import { ROOT, WORD_BYTES } from '../heap/layout'
import type { View } from '../heap/view'
import { hashHalves } from '../struct/hash'
import { HashTable } from '../struct/hash-table'
import { TAG } from './word'

/** Root slots of this layer: one table of interned objects per kind. */
const FIRST_TABLE_SLOT = ROOT.slots

/** An interned object: word 0 is low = size of the contents in bytes, high = references to it; the contents follow. */
export const OBJECT_HEADER_WORDS = 1

/** Root slot of the table for objects with this pointer tag. */
export function tableSlot(tag: number): number {
  return FIRST_TABLE_SLOT + (tag - TAG.string)
}

/** All pointer tags. */
export const POINTER_TAGS: readonly number[] = [
  TAG.string,
  TAG.string16,
  TAG.bytes,
  TAG.bigint,
  TAG.decimal,
  TAG.rational,
  TAG.preciseInstant,
  TAG.uuid,
  TAG.array,
  TAG.list,
  TAG.document,
]

/** Finds interned objects by their contents, as one view of the heap has them. */
export class InternTables {
  private readonly tables: (HashTable | undefined)[] = []
  private generation = -2

  constructor(protected readonly view: View) {}

  /** Address of the object of this kind whose contents are the first `sizeBytes` of `halves`, 0 when there is none. */
  find(tag: number, halves: Int32Array, sizeBytes: number): number {
    return this.findWithHash(tag, halves, sizeBytes, this.hash(halves, sizeBytes))
  }

  /** The same where the hash of the contents is known. */
  findWithHash(tag: number, halves: Int32Array, sizeBytes: number, hash: number): number {
    const table = this.table(tag)
    return table === undefined ? 0 : this.findIn(table, halves, sizeBytes, hash)
  }

  hash(halves: Int32Array, sizeBytes: number): number {
    return hashHalves(halves, 0, wordsOf(sizeBytes) * 2, this.view.low(ROOT.seed))
  }

  /** Makes the hashes of this heap its own. */
  get seed(): number {
    return this.view.low(ROOT.seed) >>> 0
  }

  table(tag: number): HashTable | undefined {
    if (this.generation !== this.view.generation) {
      this.tables.length = 0
      this.generation = this.view.generation
    }
    const index = tag - TAG.string
    const known = this.tables[index]
    if (known !== undefined) return known
    const address = this.view.low(tableSlot(tag)) >>> 0
    if (address === 0) return undefined
    return (this.tables[index] = this.openTable(address))
  }

  private findIn(table: HashTable, halves: Int32Array, sizeBytes: number, hash: number): number {
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
      const address = table.foundPayload
      if (this.view.low(address) === sizeBytes && this.hasContents(address, halves, wordsOf(sizeBytes))) return address
    }
    return 0
  }

  protected openTable(address: number): HashTable {
    return new HashTable(this.view, address)
  }

  private hasContents(address: number, halves: Int32Array, words: number): boolean {
    for (let i = 0; i < words; i++) {
      const word = address + OBJECT_HEADER_WORDS + i
      if (!this.view.isWord(word, halves[i * 2], halves[i * 2 + 1])) return false
    }
    return true
  }
}

export function wordsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / WORD_BYTES)
}
