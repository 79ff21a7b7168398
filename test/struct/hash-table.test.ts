import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { walkAllocations } from '../../src/heap/allocator-check'
import type { Heap } from '../../src/heap/heap'
import { ROOT } from '../../src/heap/layout'
import { HASH_BITS, HASH_MASK } from '../../src/struct/hash-segment'
import { HashTable, MutableHashTable } from '../../src/struct/hash-table'
import { atOnce } from '../../src/struct/steps'
import { type Drawn, expectSound, fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

/** Hashes that meet: in full, in their low bits (one home slot), in their top bits (one segment), or hardly. */
const hash = fc.oneof(
  fc.constantFrom(0, 1, 2, 7, 8, HASH_MASK, HASH_MASK - 1),
  fc.nat(20).map((i) => (i << 20) | 5),
  fc.nat(500).map((i) => i),
  fc.nat(HASH_MASK),
)
const payload = fc.oneof(fc.nat(100), fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff))
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('insert' as const), hash, payload, flag: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('insert many' as const),
      entries: fc.array(fc.tuple(hash, payload), { maxLength: 200 }),
      isSorted: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat(), skip: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), which: fc.nat(), payload, flag: fc.boolean() }),
  },
)

/** Hash -> its entries, each `payload` or, flagged, `payload!`. */
class Model {
  private readonly entries = new Map<number, string[]>()
  size = 0

  add(hash: number, payload: number, flag: boolean): void {
    this.entries.set(hash, [...(this.entries.get(hash) ?? []), text(payload, flag)])
    this.size++
  }

  remove(hash: number, payload: number, flag: boolean): void {
    const left = this.entries.get(hash)!
    left.splice(left.indexOf(text(payload, flag)), 1)
    if (left.length === 0) this.entries.delete(hash)
    this.size--
  }

  get hashes(): number[] {
    return [...this.entries.keys()]
  }

  clone(): Model {
    const copy = new Model()
    for (const [hash, entries] of this.entries) copy.entries.set(hash, [...entries])
    copy.size = this.size
    return copy
  }

  expectShownBy(table: HashTable): void {
    expect(table.check()).toEqual([])
    expect(table.size).toBe(this.size)
    for (const [hash, entries] of this.entries) {
      const found: string[] = []
      for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
        if (table.hashOf(entry) !== hash) expect.fail('an entry of another hash was found')
        found.push(text(table.payload(entry), table.flag(entry)))
      }
      expect(found.sort()).toEqual([...entries].sort())
    }
    expect([...table.entries()].length).toBe(this.size)
  }
}

function text(payload: number, flag: boolean): string {
  return flag ? `${payload}!` : `${payload}`
}

function apply(table: MutableHashTable, model: Model, each: Drawn<typeof operation>): void {
  if (each.kind === 'insert') {
    table.insert(each.hash, each.payload, each.flag)
    model.add(each.hash, each.payload, each.flag)
    return
  }
  if (each.kind === 'insert many') {
    const entries = each.isSorted ? [...each.entries].sort(([a], [b]) => a - b) : each.entries
    const hashes = Uint32Array.from([...entries.map(([hash]) => hash), 1])
    table.insertMany(
      hashes,
      Uint32Array.from(entries, ([, payload]) => payload),
      entries.length,
    )
    for (const [hash, payload] of entries) model.add(hash, payload, false)
    return
  }
  if (model.size === 0) return
  const hash = model.hashes[each.which % model.hashes.length]
  let entry = table.seek(hash)
  if (each.kind === 'replace') {
    model.remove(hash, table.payload(entry), table.flag(entry))
    table.replace(entry, each.payload, each.flag)
    model.add(hash, each.payload, each.flag)
    return
  }
  for (let i = 0; i < each.skip; i++) {
    const next = table.seekNext(hash)
    if (next === 0) {
      entry = table.seek(hash)
      break
    }
    entry = next
  }
  model.remove(hash, table.payload(entry), table.flag(entry))
  table.removeFound()
}

function expectAllocated(heap: Heap, addresses: Iterable<number>): void {
  const { allocated, problems } = walkAllocations(heap.writer.view)
  expect(problems).toEqual([])
  expect([...allocated].sort((a, b) => a - b)).toEqual([...addresses].sort((a, b) => a - b))
}

/** A permutation of the 30-bit numbers: distinct, evenly spread hashes. */
function spread(i: number): number {
  return Math.imul(i, 0x2545f491) & HASH_MASK
}

describe.each(HEAP_MEMORIES)('hash table on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('random entries are found, removed and replaced as in a map of lists, through commits and rollbacks', async () => {
    const transaction = fc.record({ operations: fc.array(operation, { maxLength: 80 }), commits: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 8 }), (transactions) =>
        withHeap(memory, (heap) => {
          const address = inTransaction(heap, () => MutableHashTable.create(heap))
          const table = new MutableHashTable(heap, address)
          let committed = new Model()
          for (const { operations, commits } of transactions) {
            const before = fingerprint(heap.live)
            const model = committed.clone()
            const snapshot = heap.snapshot('test')
            heap.begin()
            for (const each of operations) apply(table, model, each)
            model.expectShownBy(table)
            committed.expectShownBy(new HashTable(snapshot.view, address))
            if (commits) {
              heap.commit()
              committed = model
            } else {
              heap.rollback()
              expect(fingerprint(heap.live)).toBe(before)
            }
            snapshot.release()
            committed.expectShownBy(table)
            expectAllocated(heap, table.allocations())
          }
        }),
      ),
      { numRuns: 40 },
    )
  })

  test('20,000 entries split segment after segment, all are found, and removing them leaves none', () =>
    withHeap(memory, (heap) => {
      const table = new MutableHashTable(
        heap,
        inTransaction(heap, () => MutableHashTable.create(heap)),
      )
      inTransaction(heap, () => {
        for (let i = 0; i < 20_000; i++) table.insert(spread(i), i, i % 3 === 0)
      })
      expect([table.check(), table.size]).toEqual([[], 20_000])
      expect([...table.allocations()].length).toBeGreaterThan(8)
      for (let i = 0; i < 20_000; i++) {
        const entry = table.seek(spread(i))
        if (table.payload(entry) !== i || table.flag(entry) !== (i % 3 === 0)) expect.fail(`entry ${i} is lost`)
        if (table.seekNext(spread(i)) !== 0) expect.fail(`entry ${i} is there twice`)
      }
      for (let i = 20_000; i < 25_000; i++) if (table.seek(spread(i)) !== 0) expect.fail(`${i} was never inserted`)
      inTransaction(heap, () => {
        for (let i = 0; i < 20_000; i += 2) {
          table.seek(spread(i))
          table.removeFound()
        }
      })
      expect([table.check(), table.size]).toEqual([[], 10_000])
      for (let i = 0; i < 20_000; i++) {
        const entry = table.seek(spread(i))
        if (i % 2 === 0 ? entry !== 0 : table.payload(entry) !== i) expect.fail(`entry ${i} is wrong`)
      }
      expectAllocated(heap, table.allocations())
      inTransaction(heap, () => {
        for (let i = 1; i < 20_000; i += 2) {
          table.seek(spread(i))
          table.removeFound()
        }
      })
      expect([table.check(), table.size]).toEqual([[], 0])
      expectAllocated(heap, table.allocations())
      // what is left of 20,000 words: descriptor, directory and the smallest segments
      expect(heap.live.number(ROOT.allocatedWords)).toBeLessThan(300)
      inTransaction(heap, () => table.destroy())
      expectAllocated(heap, [])
    }))

  test('more entries alike in the bits that choose a segment than fit a block stay findable beside others', () =>
    withHeap(memory, (heap) => {
      const table = new MutableHashTable(
        heap,
        inTransaction(heap, () => MutableHashTable.create(heap)),
      )
      const model = new Model()
      const insert = (hash: number, payload: number): void => {
        table.insert(hash, payload)
        model.add(hash, payload, false)
      }
      const alike = (i: number): number => (0x2aaaa << 12) | (i & 0xfff)
      inTransaction(heap, () => {
        for (let i = 0; i < 200; i++) insert(spread(i), i)
        for (let i = 0; i < 300; i++) insert(alike(7), i)
        for (let i = 0; i < 5000; i++) insert(alike(i), i)
      })
      model.expectShownBy(table)
      expectAllocated(heap, table.allocations())
      inTransaction(heap, () => {
        for (let i = 0; i < 2000; i++) apply(table, model, { kind: 'remove', which: i * 7, skip: i & 3 })
      })
      model.expectShownBy(table)
      inTransaction(heap, () => table.destroy())
      expectAllocated(heap, [])
    }))

  test('an entry added where the search for it ended is found like any other', async () => {
    const entry = fc.record({ hash, payload })
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 400 }), fc.constantFrom(0, 20, 5000), (entries, others) =>
        withHeap(memory, (heap) => {
          const model = new Model()
          const table = inTransaction(heap, () => {
            const made = new MutableHashTable(heap, MutableHashTable.create(heap))
            for (let i = 0; i < others; i++) entries.push({ hash: spread(i), payload: i })
            for (const each of entries) {
              for (let found = made.seek(each.hash); found !== 0; ) found = made.seekNext(each.hash)
              made.insertMissed(each.hash, each.payload)
              model.add(each.hash, each.payload, false)
            }
            return made
          })
          model.expectShownBy(table)
          expectAllocated(heap, table.allocations())
        }),
      ),
      { numRuns: 10 },
    )
  })

  test('a table built at once is the same as one filled entry by entry', async () => {
    const topHeavy = fc.tuple(fc.nat(3), fc.nat(HASH_MASK >>> 4)).map(([top, low]) => (top << (HASH_BITS - 2)) | low)
    const drawn = fc.record({ hash: fc.oneof(hash, topHeavy), payload, flag: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(drawn, { maxLength: 2000 }),
        fc.constantFrom(0, 2000, 9000),
        fc.boolean(),
        (entries, others, crowds) =>
          withHeap(memory, (heap) => {
            for (let i = 0; i < others; i++)
              entries.push({ hash: crowds ? spread(i) >>> 12 : spread(i), payload: i, flag: false })
            entries.sort((a, b) => a.hash - b.hash)
            const model = new Model()
            for (const each of entries) model.add(each.hash, each.payload, each.flag)
            const column = (value: (each: (typeof entries)[number]) => number) => Uint32Array.from(entries, value)
            const address = inTransaction(heap, () =>
              atOnce(
                MutableHashTable.build(
                  heap,
                  entries.length,
                  column((each) => each.hash),
                  column((each) => each.payload),
                  Uint32Array.from(entries, (each) => Number(each.flag)),
                ),
              ),
            )
            const table = new MutableHashTable(heap, address)
            model.expectShownBy(table)
            expectAllocated(heap, table.allocations())
            inTransaction(heap, () => {
              for (let i = 0; i < 200; i++)
                apply(table, model, { kind: 'insert', hash: spread(-i), payload: i, flag: true })
            })
            model.expectShownBy(table)
          }),
      ),
      { numRuns: 8, examples: [[[], 9000, true]] },
    )
  })

  test('a check tells entries that were tampered with', () =>
    withHeap(memory, (heap) => {
      const table = new MutableHashTable(
        heap,
        inTransaction(heap, () => MutableHashTable.create(heap)),
      )
      inTransaction(heap, () => {
        for (let i = 0; i < 10_000; i++) table.insert(spread(i), i)
      })
      const entry = table.seek(spread(77))
      heap.begin()
      heap.writer.set(entry, heap.live.low(entry), heap.live.high(entry) ^ (1 << (HASH_BITS - 1)))
      expect(table.check()).not.toEqual([])
      heap.rollback()
      heap.begin()
      heap.writer.set(entry, 0, 0)
      expect(table.check()).not.toEqual([])
      heap.rollback()
      expect(table.check()).toEqual([])
      expectSound(heap)
    }))
})
