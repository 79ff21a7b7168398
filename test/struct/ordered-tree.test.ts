import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { walkAllocations } from '../../src/heap/allocator-check'
import type { Heap } from '../../src/heap/heap'
import type { View } from '../../src/heap/view'
import { LEAF_SLOTS, type NodeEntry, numberAt, type Sought } from '../../src/struct/ordered-node'
import { OrderedTree } from '../../src/struct/ordered-tree'
import { MutableOrderedTree } from '../../src/struct/ordered-tree-writer'
import { atOnce } from '../../src/struct/steps'
import { type Drawn, fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

interface Entry {
  readonly key: number
  readonly number: number
}

const halves = new Int32Array(2)
const double = new Float64Array(halves.buffer)

/** Keys are doubles above zero; `isSlow` leaves every comparison to the owner, as keys of other kinds do. */
class KeySought implements Sought {
  readonly number: number

  constructor(
    private readonly view: View,
    private readonly entry: Entry,
    isSlow: boolean,
  ) {
    this.number = isSlow ? Number.NaN : entry.key
  }

  compare(keyAddress: number, number: number): number {
    return this.entry.key - this.view.number(keyAddress) || this.entry.number - number
  }
}

class Tried {
  readonly tree: MutableOrderedTree

  constructor(
    private readonly heap: Heap,
    address: number,
    private readonly isSlow: boolean,
  ) {
    this.tree = new MutableOrderedTree(heap, address)
  }

  insert(entry: Entry): void {
    double[0] = entry.key
    this.tree.insert(this.sought(entry), entry.number, halves[0], halves[1])
  }

  remove(entry: Entry): void {
    this.tree.remove(this.sought(entry))
  }

  private sought(entry: Entry): Sought {
    return new KeySought(this.heap.writer.view, entry, this.isSlow)
  }
}

function before(a: Entry, b: Entry): number {
  return a.key - b.key || a.number - b.number
}

function add(model: Entry[], entry: Entry): boolean {
  const at = model.findIndex((each) => before(entry, each) <= 0)
  if (at >= 0 && before(entry, model[at]) === 0) return false
  model.splice(at < 0 ? model.length : at, 0, entry)
  return true
}

function expectShown(view: View, tree: OrderedTree, model: readonly Entry[]): void {
  const soughtAt = (address: number, number: number): Sought =>
    new KeySought(view, { key: view.number(address), number }, true)
  expect(tree.check(soughtAt)).toEqual([])
  expect([...tree.numbers()]).toEqual(model.map((each) => each.number))
  expect(tree.size).toBe(model.length)
}

/** From every place on, both ways, and the number of entries between two. */
function expectWalked(view: View, tree: OrderedTree, model: readonly Entry[], from: Entry, to: Entry): void {
  const [lower, upper] = before(from, to) <= 0 ? [from, to] : [to, from]
  const wanted = model.filter((each) => before(each, lower) >= 0 && before(each, upper) < 0)
  const path = tree.path()
  const end = tree.path()
  path.seek(new KeySought(view, lower, false))
  path.settle()
  end.seek(new KeySought(view, upper, true))
  end.settle()
  const found: number[] = []
  for (; !path.isAt(end); path.advance()) found.push(numberAt(view, path.leaf, path.place))
  expect(found).toEqual(wanted.map((each) => each.number))
  const backward: number[] = []
  while (backward.length < found.length && path.retreat()) backward.push(numberAt(view, path.leaf, path.place))
  expect(backward).toEqual(found.toReversed())
  const estimate = tree.estimate(new KeySought(view, lower, true), new KeySought(view, upper, false))
  if (model.length <= LEAF_SLOTS * 20) expect(estimate).toBe(wanted.length)
}

function expectAllocated(heap: Heap, addresses: Iterable<number>): void {
  const { allocated, problems } = walkAllocations(heap.writer.view)
  expect(problems).toEqual([])
  expect([...allocated].sort((a, b) => a - b)).toEqual([...addresses].sort((a, b) => a - b))
}

const key = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 1000 }))
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('insert' as const), key, number: fc.nat(2000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('ascend' as const),
      key,
      count: fc.nat(200),
      step: fc.constantFrom(1, -1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), which: fc.nat(), count: fc.nat(300) }) },
)

function apply(tried: Tried, model: Entry[], each: Drawn<typeof operation>): void {
  if (each.kind === 'insert') {
    if (add(model, each)) tried.insert(each)
  } else if (each.kind === 'ascend') {
    for (let i = 0; i < each.count; i++) {
      const entry = { key: each.key, number: 5000 + each.step * i }
      if (add(model, entry)) tried.insert(entry)
    }
  } else {
    const from = model.length === 0 ? 0 : each.which % model.length
    for (const entry of model.splice(from, each.kind === 'remove' ? 1 : each.count)) tried.remove(entry)
  }
}

describe.each(HEAP_MEMORIES)('ordered tree on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('random entries are in the order of a sorted array, through commits and rollbacks, and in every snapshot', async () => {
    const transaction = fc.record({ operations: fc.array(operation, { maxLength: 40 }), commits: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(transaction, { maxLength: 8 }),
        fc.boolean(),
        fc.array(fc.record({ key, number: fc.nat(2000) }), { minLength: 2, maxLength: 8 }),
        (transactions, isSlow, places) =>
          withHeap(memory, (heap) => {
            const address = inTransaction(heap, () => MutableOrderedTree.create(heap))
            const tried = new Tried(heap, address, isSlow)
            let committed: Entry[] = []
            const held: { snapshot: ReturnType<Heap['snapshot']>; model: Entry[] }[] = []
            for (const { operations, commits } of transactions) {
              const earlier = fingerprint(heap.live)
              const model = [...committed]
              held.push({ snapshot: heap.snapshot('test'), model: committed })
              heap.begin()
              for (const each of operations) apply(tried, model, each)
              expectShown(heap.live, tried.tree, model)
              if (commits) {
                heap.commit()
                committed = model
              } else {
                heap.rollback()
                expect(fingerprint(heap.live)).toBe(earlier)
              }
              expectShown(heap.live, tried.tree, committed)
              for (let i = 1; i < places.length; i++)
                expectWalked(heap.live, tried.tree, committed, places[i - 1], places[i])
              expectAllocated(heap, tried.tree.allocations())
            }
            for (const { snapshot, model } of held) {
              expectShown(snapshot.view, new OrderedTree(snapshot.view, address), model)
              snapshot.release()
            }
            inTransaction(heap, () => tried.tree.destroy())
            expectAllocated(heap, [])
          }),
      ),
      { numRuns: 60 },
    )
  })

  test('20,000 entries in random order make levels above levels, and removing them leaves one empty leaf', () =>
    withHeap(memory, (heap) => {
      const tried = new Tried(
        heap,
        inTransaction(heap, () => MutableOrderedTree.create(heap)),
        false,
      )
      const entries = Array.from({ length: 20_000 }, (_, i) => ({ key: 1 + ((i * 7919) % 20_011), number: i }))
      inTransaction(heap, () => {
        for (const entry of entries) tried.insert(entry)
      })
      const model = entries.toSorted(before)
      expectShown(heap.live, tried.tree, model)
      expect(tried.tree.height).toBe(2)
      for (let i = 0; i < 50; i++)
        expectWalked(heap.live, tried.tree, model, entries[i * 311], entries[(i * 733 + 5) % 20_000])
      expectEstimates(heap.live, tried.tree, model)
      inTransaction(heap, () => {
        for (const entry of entries) tried.remove(entry)
      })
      expectShown(heap.live, tried.tree, [])
      expect([...tried.tree.allocations()].length).toBe(2)
      expectAllocated(heap, tried.tree.allocations())
    }))

  test('entries in ascending order leave full leaves behind', () =>
    withHeap(memory, (heap) => {
      const tried = new Tried(
        heap,
        inTransaction(heap, () => MutableOrderedTree.create(heap)),
        false,
      )
      inTransaction(heap, () => {
        for (let i = 0; i < LEAF_SLOTS * 100; i++) tried.insert({ key: i + 1, number: i })
      })
      expect([...tried.tree.allocations()].length).toBeLessThan(105)
    }))

  test('a tree built at once is as one filled entry by entry, and changes like it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(9000), fc.array(operation, { maxLength: 30 }), (count, operations) =>
        withHeap(memory, (heap) => {
          const model = Array.from({ length: count }, (_, i) => ({ key: 1 + (i >>> 3), number: i }))
          const read = (i: number, entry: NodeEntry): void => {
            double[0] = model[i].key
            ;[entry.low, entry.high, entry.number] = [halves[0], halves[1], model[i].number]
          }
          const address = inTransaction(heap, () => atOnce(MutableOrderedTree.build(heap, { count, read })))
          const tried = new Tried(heap, address, false)
          expectShown(heap.live, tried.tree, model)
          expect([...tried.tree.allocations()].length).toBeLessThan(4 + (count / LEAF_SLOTS) * 1.25)
          inTransaction(heap, () => {
            for (const each of operations) apply(tried, model, each)
          })
          expectShown(heap.live, tried.tree, model)
          expectAllocated(heap, tried.tree.allocations())
        }),
      ),
      { numRuns: 20 },
    )
  })

  test('an insertion changes few words, and check finds every kind of damage', () =>
    withHeap(memory, (heap) => {
      const tried = new Tried(
        heap,
        inTransaction(heap, () => MutableOrderedTree.create(heap)),
        false,
      )
      inTransaction(heap, () => {
        for (let i = 0; i < 5000; i++) tried.insert({ key: 1 + ((i * 7919) % 5003), number: i })
      })
      const { tree } = tried
      const soughtAt = (address: number, number: number): Sought =>
        new KeySought(heap.live, { key: heap.live.number(address), number }, true)
      heap.begin()
      tried.insert({ key: 2500.5, number: 9999 })
      let words = 0
      heap.writer.changes().eachRun(
        () => undefined,
        (_offset, count) => {
          words += count
        },
      )
      heap.commit()
      expect(words).toBeLessThan(20)
      const path = tree.path()
      const leaf = path.leaf
      const damages: (() => void)[] = [
        () => heap.writer.set(tree.address + 1, 4999, 0),
        () => heap.writer.set(leaf, heap.live.low(leaf) - 1, 0),
        () => heap.writer.set(leaf, 200, 0),
        () => heap.writer.set(leaf, heap.live.low(leaf), 1),
        () => heap.writer.set(leaf + 1, 0, heap.live.high(leaf + 1)),
        () => heap.writer.setNumber(leaf + 11, 4000),
        () => heap.writer.setNumber(path.nodes[1] + 9 + 1, 4000),
        () => heap.writer.set(tree.address, leaf | 0, 0),
        () => heap.writer.set(tree.address, 0x7fffffff, tree.height),
      ]
      for (const damage of damages) {
        heap.begin()
        damage()
        expect(tree.check(soughtAt)).not.toEqual([])
        heap.rollback()
        expect(tree.check(soughtAt)).toEqual([])
      }
    }))
})

/** Of large trees, ranges of a share of all entries are estimated within a factor of two. */
function expectEstimates(view: View, tree: OrderedTree, model: readonly Entry[]): void {
  for (const share of [0.01, 0.1, 0.5, 0.9]) {
    const from = model[Math.floor(model.length * (0.5 - share / 2))]
    const to = model[Math.floor(model.length * (0.5 + share / 2))]
    const wanted = model.indexOf(to) - model.indexOf(from)
    const estimate = tree.estimate(new KeySought(view, from, false), new KeySought(view, to, false))
    expect(estimate).toBeGreaterThan(wanted / 2)
    expect(estimate).toBeLessThan(wanted * 2)
  }
  expect(tree.estimate(undefined, undefined)).toBe(model.length)
}
