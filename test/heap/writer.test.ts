import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Heap } from '../../src/heap/heap'
import { BLOCK_WORDS, WINDOW_MASK, ZERO_BLOCK } from '../../src/heap/layout'
import type { HeapSnapshot } from '../../src/heap/snapshots'
import {
  codeOf,
  type Drawn,
  expectSound,
  fingerprint,
  HEAP_MEMORIES,
  inTransaction,
  type WordModel,
  withHeap,
} from '../support/heap'
import { applyChange, BLOCKS, emptyModel, FIRST_BLOCK, wordChange } from '../support/word-changes'

const transaction = fc.record({
  kind: fc.constant('transaction' as const),
  changes: fc.array(wordChange, { maxLength: 12 }),
  isDetached: fc.boolean(),
  commits: fc.boolean(),
  /** Taken in the middle of a detached transaction. */
  takesSnapshot: fc.boolean(),
  releases: fc.nat(),
})
const step = fc.oneof(
  { weight: 4, arbitrary: transaction },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
)

/** A heap, the model of its newest version, and every snapshot still held with the model it was taken at. */
class Play {
  private committed: WordModel
  private held: { snapshot: HeapSnapshot; model: WordModel }[] = []

  constructor(private readonly heap: Heap) {
    this.committed = emptyModel(heap)
  }

  snapshot(): void {
    this.held.push({ snapshot: this.heap.snapshot('test'), model: this.committed })
  }

  release(which: number): void {
    if (this.held.length > 0) this.held.splice(which % this.held.length, 1)[0].snapshot.release()
  }

  releaseAll(): void {
    while (this.held.length > 0) this.release(0)
  }

  transaction({ changes, isDetached, commits, takesSnapshot, releases }: Drawn<typeof transaction>): void {
    const { heap } = this
    const before = fingerprint(heap.live)
    const working = this.committed.clone()
    if (isDetached) heap.beginDetached()
    else heap.begin()
    for (const [i, change] of changes.entries()) {
      applyChange(heap, working, change)
      working.expectShownBy(heap.writer.view)
      if (isDetached) this.committed.expectShownBy(heap.live)
      if (isDetached && takesSnapshot && i === changes.length >> 1) this.snapshot()
      if (isDetached && i === releases % (changes.length + 1)) this.release(releases)
      this.expectSnapshotsTrue()
    }
    if (commits) {
      heap.commit()
      this.committed = working
    } else {
      heap.rollback()
      expect(fingerprint(heap.live)).toBe(before)
    }
  }

  expectTrue(): void {
    this.committed.expectShownBy(this.heap.live)
    this.expectSnapshotsTrue()
    expectSound(this.heap)
    if (this.held.length === 0) expect(this.heap.statistics().retainedBlocks).toBe(0)
  }

  private expectSnapshotsTrue(): void {
    for (const { snapshot, model } of this.held) model.expectShownBy(snapshot.view)
  }
}

/** The physical blocks behind the blocks in play. */
function places(heap: Heap): number[] {
  return [...heap.live.table.subarray(FIRST_BLOCK, FIRST_BLOCK + BLOCKS)]
}

function writeEach(heap: Heap, value: number): void {
  inTransaction(heap, () => {
    for (let i = 0; i < BLOCKS; i++) heap.writer.set((FIRST_BLOCK + i) * BLOCK_WORDS + 7, value, i)
  })
}

describe.each(HEAP_MEMORIES)('writer on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('random transactions and snapshots show what the model shows, and rollbacks leave every word as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
        withHeap(memory, (heap) => {
          const play = new Play(heap)
          for (const each of steps) {
            if (each.kind === 'snapshot') play.snapshot()
            else if (each.kind === 'release') play.release(each.which)
            else play.transaction(each)
            play.expectTrue()
          }
          play.releaseAll()
          play.expectTrue()
        }),
      ),
      { numRuns: 150 },
    )
  })

  test('without snapshots every block is written in place', () =>
    withHeap(memory, (heap) => {
      emptyModel(heap)
      writeEach(heap, 1)
      const before = places(heap)
      const { arenaBlocks } = heap.statistics()
      for (let round = 2; round < 10; round++) writeEach(heap, round)
      expect(places(heap)).toEqual(before)
      expect(heap.statistics().arenaBlocks).toBe(arenaBlocks)
    }))

  test('a block is copied once after a snapshot that can see it, and not for one older than the block', () =>
    withHeap(memory, (heap) => {
      emptyModel(heap)
      const older = heap.snapshot('older')
      writeEach(heap, 1)
      const first = places(heap)
      writeEach(heap, 2)
      expect(places(heap)).toEqual(first)

      const newer = heap.snapshot('newer')
      const { arenaBlocks } = heap.statistics()
      inTransaction(heap, () => heap.writer.set(FIRST_BLOCK * BLOCK_WORDS, 3, 3))
      inTransaction(heap, () => heap.writer.set(FIRST_BLOCK * BLOCK_WORDS, 4, 4))
      expect(heap.statistics()).toMatchObject({ arenaBlocks: arenaBlocks + 1, retainedBlocks: 1 })
      expect(places(heap)[0]).not.toBe(first[0])
      expect(places(heap).slice(1)).toEqual(first.slice(1))

      newer.release()
      expect(heap.statistics()).toMatchObject({ arenaBlocks, retainedBlocks: 0 })
      older.release()
    }))

  test('blocks that only released snapshots saw are used again', () =>
    withHeap(memory, (heap) => {
      emptyModel(heap)
      let highest = 0
      for (let round = 1; round <= 200; round++) {
        const snapshot = heap.snapshot('round')
        writeEach(heap, round)
        for (const physical of places(heap)) highest = Math.max(highest, physical & WINDOW_MASK)
        snapshot.release()
      }
      expect(highest).toBeLessThan(BLOCKS * 2 + heap.statistics().writtenBlocks)
    }))

  test('a rollback after thousands of blocks were given back leaves free blocks that read as zeros', () =>
    withHeap(memory, (heap) => {
      const { writer } = heap
      const base = FIRST_BLOCK
      inTransaction(heap, () => writer.ensureBlocks(base + 8192))
      heap.begin()
      for (let i = 0; i < 3000; i++) writer.set((base + i) * BLOCK_WORDS, i + 1, i)
      for (let i = 0; i < 3000; i++) {
        writer.moveBlock(base + i, base + 4096 + i)
        writer.set((base + 4096 + i) * BLOCK_WORDS, -1, -1)
      }
      for (let i = 0; i < 3000; i++) writer.discard(base + 4096 + i)
      heap.rollback()
      inTransaction(heap, () => {
        for (let i = 0; i < 3000; i++) writer.set((base + i) * BLOCK_WORDS + 1, 1, 1)
      })
      for (let i = 0; i < 3000; i++) expect(writer.view.low((base + i) * BLOCK_WORDS)).toBe(0)
    }))

  test('a change outside a transaction is refused, whatever its kind, and changes nothing', () =>
    withHeap(memory, async (heap) => {
      emptyModel(heap)
      writeEach(heap, 1)
      const before = fingerprint(heap.live)
      const { writer } = heap
      const at = FIRST_BLOCK * BLOCK_WORDS
      expect(await codeOf(() => writer.set(at, 1, 1))).toBe('NO_TRANSACTION')
      expect(await codeOf(() => writer.setNumber(at, 1))).toBe('NO_TRANSACTION')
      expect(await codeOf(() => writer.open(at, 4))).toBe('NO_TRANSACTION')
      expect(await codeOf(() => writer.clear(at, BLOCK_WORDS * 2))).toBe('NO_TRANSACTION')
      expect(await codeOf(() => writer.discard(FIRST_BLOCK))).toBe('NO_TRANSACTION')
      expect(await codeOf(() => writer.moveBlock(FIRST_BLOCK, FIRST_BLOCK + BLOCKS))).toBe('NO_TRANSACTION')
      expect(fingerprint(heap.live)).toBe(before)
    }))

  test('an address outside the heap is refused and never reaches the block of zeros', () =>
    withHeap(memory, async (heap) => {
      const beyond = heap.live.table.length * BLOCK_WORDS + 5
      heap.begin()
      expect(await codeOf(() => heap.writer.set(beyond, 1, 1))).toBe('CORRUPT')
      expect(await codeOf(() => heap.writer.setNumber(beyond, 1))).toBe('CORRUPT')
      expect(await codeOf(() => heap.writer.open(beyond, 2))).toBe('CORRUPT')
      expect(await codeOf(() => heap.writer.discard(beyond / BLOCK_WORDS))).toBe('CORRUPT')
      heap.rollback()
      expect(heap.live.table[0]).not.toBe(ZERO_BLOCK)
    }))

  test('transactions do not nest, and a snapshot inside one is refused unless it is detached', () =>
    withHeap(memory, async (heap) => {
      heap.begin()
      expect(await codeOf(() => heap.begin())).toBe('BUSY')
      expect(await codeOf(() => heap.beginDetached())).toBe('BUSY')
      expect(await codeOf(() => heap.snapshot('inside'))).toBe('BUSY')
      heap.rollback()
      heap.beginDetached()
      expect(await codeOf(() => heap.begin())).toBe('BUSY')
      heap.snapshot('beside').release()
      heap.rollback()
    }))
})
