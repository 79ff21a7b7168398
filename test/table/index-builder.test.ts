import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { Heap } from '../../src/heap/heap'
import { ROOT } from '../../src/heap/layout'
import { MutableHashTable } from '../../src/struct/hash-table'
import { atOnce } from '../../src/struct/steps'
import { ColumnIndex, MutableColumnIndex } from '../../src/table/column-index'
import { IndexBuilder } from '../../src/table/index-builder'
import { HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

const opened: Store[] = []

afterEach(async () => {
  for (const store of opened.splice(0)) {
    expect(store.check().problems).toEqual([])
    await store.close()
  }
})

/** A table whose column `value` has these values, by row, and no index yet. */
function tableOf(values: readonly (number | null)[]): Store {
  const store = Store.open()
  opened.push(store)
  store.write((tx) => {
    tx.createTable('t', {
      key: 'id',
      columns: { id: 'integer', value: { type: 'number', nullable: true, index: false } },
    })
    const writer = tx.writer('t')
    for (const [id, value] of values.entries()) writer.insert({ id, value })
  })
  return store
}

describe('an index built over existing rows', () => {
  test('finds exactly the rows of each value, however they are spread', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 5000 }),
        fc.integer(),
        async (distinct, rows, seed) => {
          const store = tableOf(
            Array.from({ length: rows }, (_, i) => (i % 17 === 0 ? null : Math.imul(i ^ seed, 2654435761) % distinct)),
          )
          store.write((tx) => tx.addIndex('t', 'value'))
          expect(store.check().problems).toEqual([])
          await opened.pop()!.close()
        },
      ),
      { numRuns: 30 },
    )
  })

  test('is sorted in a thread of its own as in steps, in one pass and in several', async () => {
    const sortedBy = (builder: IndexBuilder) => {
      const { rows, ends, hashes, values } = builder as unknown as Record<string, Uint32Array> & { values: number }
      return [rows, ends.subarray(0, values), hashes.subarray(0, values)].map((each) => Array.from(each))
    }
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.oneof(fc.integer({ min: 0, max: 9000 }), fc.constantFrom(0, 1, 4096)),
        fc.constantFrom(20, 700, 1 << 20),
        async (distinct, rows, passRows) => {
          const store = tableOf(Array.from({ length: rows }, (_, i) => (i % 17 === 0 ? null : (i * 7919) % distinct)))
          const table = store.table('t')
          const { view } = table.context
          const column = table.column('value')
          const limit = Math.min(table.rowLimit, column.capacity)
          const [steps, beside] = [0, 1].map(() => new IndexBuilder(view, column.addressOf(0), limit, passRows))
          atOnce(steps.sort())
          await store.readPinned((pinned) => beside.sortAsync(pinned))
          expect(sortedBy(beside)).toEqual(sortedBy(steps))
          expect(sortedBy(beside)[0].length).toBe(rows - Math.ceil(rows / 17))
          await opened.pop()!.close()
        },
      ),
      { numRuns: 30 },
    )
  })

  test.each([1500, 1793, 2000, 2048, 2049, 3000, 3585, 4000, 4097])(
    'has %i different values, each where it is sought',
    (count) => {
      const store = tableOf(Array.from({ length: count }, (_, i) => i * 1.5))
      store.write((tx) => tx.addIndex('t', 'value'))
      expect(store.table('t').column('value').statistics().distinct).toBe(count)
    },
  )

  test('splits values beyond one segment and goes on growing by single rows', () => {
    const store = tableOf(Array.from({ length: 50_000 }, (_, i) => i * 1.5))
    store.write((tx) => tx.addIndex('t', 'value'))
    store.write((tx) => {
      for (let id = 50_000; id < 60_000; id++) tx.insert('t', { id, value: id % 9 })
    })
    expect(store.table('t').findRows({ value: 7.5 })).toEqual([5])
    expect(store.table('t').findRows({ value: 8 }).length).toBe(1111)
  })

  test('holds a value of more rows than a chunk, as array and as bitmap', () => {
    const store = tableOf(Array.from({ length: 150_000 }, (_, i) => (i % 3 === 0 ? 1 : i % 50 === 0 ? 2 : i + 10)))
    store.write((tx) => tx.addIndex('t', 'value'))
    expect(store.table('t').findRows({ value: 1 }).length).toBe(50_000)
    store.write((tx) => tx.delete('t', 3))
    expect(store.table('t').findRows({ value: 1 }).slice(0, 3)).toEqual([0, 6, 9])
  })

  test('refuses a value that two rows share where it must be unique, and leaves nothing behind', () => {
    const store = tableOf([1, 2, 3])
    const before = store.stats().usedBytes
    expect(() =>
      store.write((tx) => {
        tx.addColumn('t', 'code', { type: 'string', nullable: true, unique: true })
        tx.update('t', 0, { code: 'a' })
        tx.update('t', 1, { code: 'a' })
      }),
    ).toThrow(/code/)
    expect(store.stats().usedBytes).toBe(before)
  })
})

/**
 * Words of a column, by row: absent, one of a few values, or one of many; some with the same halves the other way
 * round.
 */
const word = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Word>([0, 0]) },
  { weight: 4, arbitrary: fc.nat(3).map<Word>((i) => [i, 7]) },
  { weight: 1, arbitrary: fc.nat(3).map<Word>((i) => [7, i]) },
  { weight: 4, arbitrary: fc.integer().map<Word>((i) => [i, 0x40000000 | (i & 0xff)]) },
)
type Word = readonly [low: number, high: number]

/** Writes the words where no other block's words stand, and tells where that is. */
function columnOf(heap: Heap, words: readonly Word[]): number {
  const base = heap.allocator.allocateZeroed(Math.max(words.length, 1))
  for (const [row, [low, high]] of words.entries()) if (low !== 0 || high !== 0) heap.writer.set(base + row, low, high)
  return base
}

describe.each(HEAP_MEMORIES)('an index built in passes on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()
  const passRows = fc.constantFrom(1, 7, 64, 500, 100_000)
  /** Some drawn words, and many more made of them: duplicates far apart, whole blocks of absent words between. */
  const column = fc
    .tuple(fc.array(word, { minLength: 1, maxLength: 60 }), fc.constantFrom(0, 100, 3000, 12_000), fc.boolean())
    .map(([drawn, more, hasGap]) => {
      const words: Word[] = [...drawn]
      for (let i = 0; i < more; i++) words.push(i % 3 === 0 ? [i, 0x40100000] : drawn[i % drawn.length])
      return hasGap ? words.map((each, row) => (row > 2000 && row < 10_500 ? ([0, 0] as const) : each)) : words
    })

  test('is the same as one made row by row', async () => {
    await fc.assert(
      fc.asyncProperty(column, passRows, (words, rowsInPass) =>
        withHeap(memory, (heap) => {
          const [base, built, added] = inTransaction(heap, () => {
            const first = columnOf(heap, words)
            const rows = { addressOf: (row: number) => first + row }
            const single = new MutableHashTable(heap, MutableHashTable.create(heap))
            const index = new MutableColumnIndex(heap, rows, single)
            for (const [row, [low, high]] of words.entries()) if (low !== 0 || high !== 0) index.add(row, low, high)
            const builder = new IndexBuilder(heap.writer.view, first, words.length, rowsInPass)
            atOnce(builder.sort())
            return [first, atOnce(builder.write(heap, undefined)), single.address]
          })
          const rows = { addressOf: (row: number) => base + row }
          const index = ColumnIndex.open(heap.live, rows, built)
          const expected = ColumnIndex.open(heap.live, rows, added)
          expect(index.table.check()).toEqual([])
          expect(index.distinct).toBe(expected.distinct)
          for (const [low, high] of new Map(words.map((each) => [each.join(), each])).values()) {
            if (`${index.rows(low, high)}` !== `${expected.rows(low, high)}`)
              expect(index.rows(low, high)).toEqual(expected.rows(low, high))
          }
        }),
      ),
      { numRuns: 25 },
    )
  })

  test('names the second row of a value that must be unique, and has written nothing by then', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.nat(),
        passRows,
        (values, a, b, rowsInPass) =>
          withHeap(memory, async (heap) => {
            const words = values.map<Word>((value) => [value, 0x40000000])
            const refuse = (row: number): never => {
              throw new RangeError(`row ${row}`)
            }
            const build = (each: readonly Word[]) => () =>
              inTransaction(heap, () => {
                const builder = new IndexBuilder(heap.writer.view, columnOf(heap, each), each.length, rowsInPass)
                atOnce(builder.sort())
                const used = heap.live.number(ROOT.allocatedWords)
                try {
                  return new MutableHashTable(heap, atOnce(builder.write(heap, refuse))).size
                } catch (error) {
                  expect(heap.live.number(ROOT.allocatedWords)).toBe(used)
                  throw error
                }
              })
            expect(build(words)()).toBe(values.length)
            const twice = [...words]
            twice.splice(a % (words.length + 1), 0, words[b % words.length])
            const wanted = words[b % words.length]
            const second = twice.findLastIndex((each) => each[0] === wanted[0])
            expect(build(twice)).toThrow(new RangeError(`row ${second}`))
          }),
      ),
      { numRuns: 40 },
    )
  })
})
