import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type fc from 'fast-check'
import { expect } from 'vitest'
import { SnapheapError } from '../../src/errors'
import { walkAllocations } from '../../src/heap/allocator-check'
import { Heap } from '../../src/heap/heap'
import { BLOCK_BYTES, BLOCK_WORDS, WINDOW_MASK, WINDOW_SHIFT, ZERO_BLOCK } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import type { View } from '../../src/heap/view'
import { MEMORIES } from '../heap/support/memories'

/** What an arbitrary draws. */
export type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never

/** The two memories that a heap of its own runs on. */
export const HEAP_MEMORIES = MEMORIES.filter(([name]) => name === 'native' || name === 'plain')

/** Runs on a heap without a file; afterwards it must be sound. */
export async function withHeap<T>(memory: Memory, run: (heap: Heap) => T | Promise<T>): Promise<T> {
  const heap = Heap.inMemory(memory)
  try {
    const result = await run(heap)
    expectSound(heap)
    return result
  } finally {
    await heap.close()
  }
}

/** Runs on a heap in a file, made when it is missing; afterwards it must be sound. */
export async function withFile<T>(
  memory: Memory,
  path: string,
  run: (heap: Heap) => T | Promise<T>,
  options = { create: true, readOnly: false },
): Promise<T> {
  const heap = Heap.open(memory, path, options)
  try {
    const result = await run(heap)
    expectSound(heap)
    return result
  } finally {
    await heap.close()
  }
}

/** Runs with an empty folder, removed afterwards: for properties, whose runs are many to a test. */
export async function withFolder<T>(run: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-'))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Between transactions: every physical block has one use, and the allocator's own state is whole. */
export function expectSound(heap: Heap): void {
  expect(heap.checkBlocks()).toEqual([])
  expect(walkAllocations(heap.live).problems).toEqual([])
}

/** Runs `change` as one transaction. */
export function inTransaction<T>(heap: Heap, change: () => T): T {
  heap.begin()
  try {
    const result = change()
    heap.commit()
    return result
  } catch (error) {
    heap.rollback()
    throw error
  }
}

/** The bytes of a logical block as a view reads them. */
export function blockBytes(view: View, block: number): Buffer {
  const physical = view.table[block]
  const start = (physical & WINDOW_MASK) * BLOCK_BYTES
  return view.bytes[physical >>> WINDOW_SHIFT].subarray(start, start + BLOCK_BYTES)
}

const ZEROS = Buffer.alloc(BLOCK_BYTES)

/** A hash of every word that a view shows. */
export function fingerprint(view: View): string {
  const hash = createHash('sha1')
  for (let block = 0; block < view.table.length; block++) {
    if (view.table[block] === ZERO_BLOCK) continue
    const bytes = blockBytes(view, block)
    if (!bytes.equals(ZEROS)) hash.update(`${block}:`).update(bytes)
  }
  return hash.digest('hex')
}

/** The code of the `SnapheapError` that `run` throws or rejects with; any other error passes through. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run()
    return 'no error'
  } catch (error) {
    if (error instanceof SnapheapError) return error.code
    throw error
  }
}

/** The plain model of a stretch of whole blocks: the words that the heap should hold there. */
export class WordModel {
  private constructor(
    readonly firstBlock: number,
    readonly halves: Int32Array,
  ) {}

  static ofBlocks(firstBlock: number, blocks: number): WordModel {
    return new WordModel(firstBlock, new Int32Array(blocks * BLOCK_WORDS * 2))
  }

  get blocks(): number {
    return this.halves.length / BLOCK_WORDS / 2
  }

  clone(): WordModel {
    return new WordModel(this.firstBlock, this.halves.slice())
  }

  set(address: number, low: number, high: number): void {
    const at = this.indexOf(address)
    this.halves[at] = low
    this.halves[at + 1] = high
  }

  setNumber(address: number, value: number): void {
    new DataView(this.halves.buffer).setFloat64(this.indexOf(address) * 4, value, true)
  }

  clear(address: number, words: number): void {
    this.halves.fill(0, this.indexOf(address), this.indexOf(address + words))
  }

  copy(target: number, source: number, words: number): void {
    this.halves.copyWithin(this.indexOf(target), this.indexOf(source), this.indexOf(source + words))
  }

  expectShownBy(view: View): void {
    for (let i = 0; i < this.blocks; i++) {
      const expected = Buffer.from(this.halves.buffer, i * BLOCK_BYTES, BLOCK_BYTES)
      const block = this.firstBlock + i
      if (expected.equals(blockBytes(view, block))) continue
      for (let word = 0; word < BLOCK_WORDS; word++) {
        const address = block * BLOCK_WORDS + word
        const at = this.indexOf(address)
        expect({ block, word, low: view.low(address), high: view.high(address) }).toEqual({
          block,
          word,
          low: this.halves[at],
          high: this.halves[at + 1],
        })
      }
    }
  }

  private indexOf(address: number): number {
    return (address - this.firstBlock * BLOCK_WORDS) * 2
  }
}
