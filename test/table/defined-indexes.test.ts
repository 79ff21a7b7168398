import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import type { Transaction } from '../../src/db/transaction'
import { SnapheapError } from '../../src/errors'
import type { Heap } from '../../src/heap/heap'
import { ROOT } from '../../src/heap/layout'
import type { IndexDefinition } from '../../src/table/index-definition'
import { openStructure } from '../../src/table/index-set'
import type { OrderedRange } from '../../src/table/ordered-range'
import type { MutableRowIndex } from '../../src/table/row-index'
import type { Table } from '../../src/table/table'
import type { TableIndex } from '../../src/table/table-index'
import { Decimal } from '../../src/value/decimal'
import { Interner } from '../../src/value/interner'
import { errorOf, memoryStore, withStore } from '../support/store'

interface Row {
  readonly id: string
  readonly a: number | null
  readonly b: string | null
  readonly c: boolean | null
}

const COLUMNS = {
  id: 'string',
  a: { type: 'number', nullable: true },
  b: { type: 'string', nullable: true, index: 'ordered' },
  c: { type: 'boolean', nullable: true },
} as const

const INDEXES: readonly IndexDefinition[] = [
  { name: 'ab', columns: ['a', 'b'], kind: 'ordered' },
  { name: 'once', columns: ['b', 'a'], kind: 'ordered', unique: true, where: { c: true } },
  { name: 'pair', columns: ['a', 'c'], where: { b: { isNull: false } } },
  { name: 'only', columns: ['a', 'b', 'c'], kind: 'hash', unique: true },
  { name: 'none', columns: ['a'], kind: 'ordered', where: { b: null } },
]

const anyA = fc.constantFrom(null, -1.5, 0, 1, 2, 1e300, -Infinity, Infinity)
const anyB = fc.constantFrom(null, '', 'a', 'ab', 'abc', 'abcdefgh', 'abcdefgi', 'é', '😀', '\uffff', 'b')
const anyRow = fc.record({
  id: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'),
  a: anyA,
  b: anyB,
  c: fc.constantFrom(null, true, false),
})
const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('upsert' as const), row: anyRow }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('insert' as const), row: anyRow }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('a' as const), row: anyRow }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), row: anyRow }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rekey' as const), row: anyRow }) },
)

function byText(x: string, y: string): number {
  return Buffer.compare(Buffer.from(x), Buffer.from(y))
}

function compareValues(x: unknown, y: unknown): number {
  if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0)
  if (typeof x === 'string') return byText(x, y as string)
  return (x as number) < (y as number) ? -1 : (x as number) > (y as number) ? 1 : 0
}

/** Whether a row may stand beside the others. */
function breaksUnique(rows: Iterable<Row>, row: Row): boolean {
  for (const other of rows) {
    if (row.a === null || row.b === null || other.a !== row.a || other.b !== row.b) continue
    if (row.c === true && other.c === true) return true
    if (row.c !== null && other.c === row.c) return true
  }
  return false
}

/** Does the same to a table and to a map. Returns whether the table refused it. */
function step(
  tx: Transaction,
  model: Map<string, Row>,
  { kind, row }: typeof anyStep extends fc.Arbitrary<infer T> ? T : never,
): void {
  const earlier = model.get(row.id)
  const others = [...model.values()].filter((each) => each !== earlier)
  const attempt = (run: () => void, isRefused: boolean): boolean => {
    try {
      run()
    } catch (error) {
      expect((error as SnapheapError).code).toBe('UNIQUE')
      expect(isRefused).toBe(true)
      return false
    }
    expect(isRefused).toBe(false)
    return true
  }
  if (kind === 'upsert') {
    if (attempt(() => tx.upsert('t', { ...row }), breaksUnique(others, row))) model.set(row.id, row)
  } else if (kind === 'insert') {
    const isRefused = earlier !== undefined || breaksUnique(others, row)
    if (attempt(() => tx.insert('t', { ...row }), isRefused)) model.set(row.id, row)
  } else if (earlier !== undefined && kind === 'a') {
    const changed = { ...earlier, a: row.a }
    if (attempt(() => tx.update('t', row.id, { a: row.a }), breaksUnique(others, changed))) model.set(row.id, changed)
  } else if (earlier !== undefined && kind === 'rekey') {
    const changed = { ...row, id: row.b === null ? row.id : `${row.b}!` }
    const isRefused = others.some((each) => each.id === changed.id) || breaksUnique(others, changed)
    if (attempt(() => tx.update('t', row.id, changed), isRefused)) {
      model.delete(row.id)
      model.set(changed.id, changed)
    }
  } else if (earlier !== undefined) {
    tx.delete('t', row.id)
    model.delete(row.id)
  }
}

const COVERS: Readonly<Record<string, (row: Row) => boolean>> = {
  ab: () => true,
  b_ordered: () => true,
  once: (row) => row.c === true,
  none: (row) => row.b === null,
}

/** Every ordered index shows the rows that a plain sort shows, both ways, between any bounds. */
function expectOrdered(table: Table, model: Map<string, Row>, ranges: readonly (readonly [Row, Row])[]): void {
  const rows = [...model.values()].map((row) => ({ row, number: table.rowOf(row.id) }))
  for (const index of table.indexes) {
    const { ordered } = index
    if (ordered === undefined) continue
    const names = index.columns.map((each) => each.name) as ('a' | 'b')[]
    const compare = (x: Row, y: Row, count = names.length): number => {
      for (const name of names.slice(0, count)) {
        const difference = compareValues(x[name], y[name])
        if (difference !== 0) return difference
      }
      return 0
    }
    const sorted = rows
      .filter(({ row }) => COVERS[index.name](row))
      .sort((x, y) => compare(x.row, y.row) || x.number - y.number)
    expect(index.entries).toBe(sorted.length)
    expect(walk(ordered.cursor())).toEqual(sorted.map((each) => each.number))
    for (const [i, [from, to]] of ranges.entries()) {
      const [few, many] = [1 + (i % names.length), 1 + ((i >> 1) % names.length)]
      const range: OrderedRange = {
        lower: names.slice(0, few).map((name) => from[name]),
        upper: names.slice(0, many).map((name) => to[name]),
        excludesLower: (i & 1) === 1,
        excludesUpper: (i & 2) === 2,
      }
      const wanted = sorted.filter(({ row }) => {
        const [low, high] = [compare(row, from, few), compare(row, to, many)]
        return (
          (range.excludesLower === true ? low > 0 : low >= 0) && (range.excludesUpper === true ? high < 0 : high <= 0)
        )
      })
      const numbers = wanted.map((each) => each.number)
      expect(walk(ordered.cursor(range))).toEqual(numbers)
      expect(walk(ordered.cursor(range, 'descending'))).toEqual(numbers.toReversed())
      expect(ordered.estimate(range)).toBe(numbers.length)
      expect(ordered.rows(range.lower!)).toEqual(
        sorted.filter(({ row }) => compare(row, from, few) === 0).map((each) => each.number),
      )
      if (names[few - 1] !== 'b' || from.b === null) continue
      const begins = sorted.filter(
        ({ row }) => compare(row, from, few - 1) === 0 && row.b !== null && row.b.startsWith(from.b!),
      )
      expect(walk(ordered.cursor({ startsWith: range.lower! }))).toEqual(begins.map((each) => each.number))
    }
  }
}

/** The rows of a cursor, having gone to its end, back to its beginning, and to its end again. */
function walk(cursor: { row: number; next(): boolean; previous(): boolean }): number[] {
  const there: number[] = []
  const back: number[] = []
  const again: number[] = []
  while (cursor.next()) there.push(cursor.row)
  expect([cursor.next(), cursor.row]).toEqual([false, -1])
  while (cursor.previous()) back.push(cursor.row)
  expect([cursor.previous(), cursor.row]).toEqual([false, -1])
  while (cursor.next()) again.push(cursor.row)
  expect([back.toReversed(), again]).toEqual([there, there])
  return there
}

function expectFound(table: Table, model: Map<string, Row>, probe: Row): void {
  for (const condition of [{ b: probe.b }, { a: probe.a, b: probe.b }, { a: probe.a, c: probe.c }]) {
    const wanted = [...model.values()]
      .filter((row) => Object.entries(condition).every(([name, value]) => row[name as 'a'] === value))
      .map((row) => table.rowOf(row.id))
    expect(table.findRows(condition)).toEqual(wanted.sort((x, y) => x - y))
  }
}

function create(store: Store, isBefore: boolean): void {
  store.write((tx) => tx.createTable('t', { key: 'id', columns: COLUMNS, indexes: isBefore ? INDEXES : [] }))
}

/**
 * By index: which of the damages below leave it as it should be. Where no two rows share the first value, the second
 * one orders nothing.
 */
const UNDAMAGED: Readonly<Record<string, readonly number[]>> = {
  b_ordered: [1],
  ab: [1, 3],
  once: [3],
  pair: [],
  only: [1],
  none: [0, 1, 2, 3],
}

describe('indexes with a definition', () => {
  test('are what sorting and filtering plain rows gives, through commits and rollbacks and in snapshots held across them', async () => {
    const batch = fc.record({ steps: fc.array(anyStep, { maxLength: 30 }), commits: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { maxLength: 8 }),
        fc.boolean(),
        fc.array(fc.tuple(anyRow, anyRow), { minLength: 4, maxLength: 4 }),
        (batches, isBefore, ranges) =>
          withStore((store) => {
            create(store, isBefore)
            let model = new Map<string, Row>()
            const held: [ReturnType<Store['snapshot']>, Map<string, Row>][] = []
            for (const { steps, commits } of batches) {
              held.push([store.snapshot(), model])
              const next = new Map(model)
              const run = (): void =>
                store.write((tx) => {
                  for (const each of steps)
                    if (isBefore) step(tx, next, each)
                    else if (
                      each.kind === 'upsert' &&
                      !breaksUnique(
                        [...next.values()].filter((row) => row.id !== each.row.id),
                        each.row,
                      )
                    )
                      step(tx, next, each)
                  expectOrdered(tx.table('t'), next, ranges)
                  if (!commits) throw new SnapheapError('INTERNAL', 'rolled back on purpose')
                })
              if (commits) run()
              else expect(errorOf(run).message).toBe('rolled back on purpose')
              if (commits) model = next
              expect(store.check().problems).toEqual([])
              expectOrdered(store.table('t'), model, ranges)
              expectFound(store.table('t'), model, ranges[0][0])
            }
            if (!isBefore) {
              store.write((tx) => {
                for (const each of INDEXES) tx.addIndex('t', each)
              })
              expectOrdered(store.table('t'), model, ranges)
            }
            for (const [snapshot, earlier] of held) {
              expectOrdered(snapshot.table('t'), earlier, ranges)
              snapshot.close()
            }
            store.write((tx) => tx.truncate('t'))
            expectOrdered(store.table('t'), new Map(), ranges)
          }),
      ),
      { numRuns: 60 },
    )
  })

  test('a broken unique index names table, index, columns and the key of the other row, and nothing has happened', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('post', {
        key: 'id',
        columns: { id: 'integer', author: 'string', day: { type: 'day', nullable: true } },
        indexes: [{ columns: ['author', 'day'], kind: 'ordered', unique: true }],
      })
      tx.insert('post', { id: 7, author: 'ada', day: '2024-02-29' })
      tx.insert('post', { id: 8, author: 'ada', day: null })
      tx.insert('post', { id: 9, author: 'ada', day: null })
      const error = errorOf(() => tx.insert('post', { id: 10, author: 'ada', day: '2024-02-29' }))
      expect(error.code).toBe('UNIQUE')
      for (const part of ['post', 'author_day_ordered', 'author, day', 'key 7']) expect(error.message).toContain(part)
      expect(error.details).toMatchObject({ index: 'author_day_ordered', columns: ['author', 'day'], key: 7 })
      expect(errorOf(() => tx.update('post', 8, { day: '2024-02-29' })).code).toBe('UNIQUE')
      expect(errorOf(() => tx.update('post', 8, { id: 7 })).code).toBe('UNIQUE')
      expect(errorOf(() => tx.addIndex('post', { columns: ['author'], unique: true })).code).toBe('UNIQUE')
      expect(errorOf(() => tx.addIndex('post', { columns: ['author'], kind: 'ordered', unique: true })).code).toBe(
        'UNIQUE',
      )
    })
    const table = store.table('post')
    expect(table.indexes.map((each) => each.name)).toEqual(['author_day_ordered'])
    expect(table.findRows({ author: 'ada' })).toEqual([7, 8, 9])
  })

  test('numbers of every type are in one order, and bounds may be of another type than the column', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', {
        key: 'id',
        columns: {
          id: 'integer',
          n: { type: 'any', index: 'ordered' },
          d: { type: 'decimal', nullable: true, index: 'ordered' },
        },
      })
      const values = [3, 2n ** 70n, new Decimal(25n, 1), -0, 2n, new Decimal(250n, 2), Number.NaN, 'x', null, undefined]
      for (const [id, n] of values.entries()) tx.insert('t', { id, n, d: n instanceof Decimal ? n : null })
    })
    const [n, d] = store.table('t').indexes.map((each) => each.ordered!)
    expect(walk(n.cursor())).toEqual([3, 4, 2, 5, 0, 1, 6, 7, 8, 9])
    expect(walk(n.cursor({ lower: [2.5], upper: [3n] }))).toEqual([2, 5, 0])
    expect(walk(d.cursor({ upper: [null], excludesUpper: true }))).toEqual([2, 5])
    expect(walk(d.cursor({ lower: [2.25], upper: ['2.5'] }))).toEqual([2, 5])
    expect(store.table('t').findRows({ d: new Decimal(25n, 1) })).toEqual([2])
  })

  test('dropping a column drops the indexes over it; renaming it keeps them; each can be dropped by its name', () => {
    const store = memoryStore()
    create(store, true)
    store.write((tx) => tx.insert('t', { id: 'x', a: 1, b: 'long enough to be kept', c: true }))
    const names = (): string[] => store.table('t').indexes.map((each) => each.name)
    expect(names()).toEqual(['b_ordered', 'ab', 'once', 'pair', 'only', 'none'])
    store.write((tx) => tx.renameColumn('t', 'a', 'z'))
    expect(store.table('t').indexes[1].columns.map((each) => each.name)).toEqual(['z', 'b'])
    store.write((tx) => tx.dropIndex('t', 'pair'))
    expect(store.check().problems).toEqual([])
    store.write((tx) => tx.dropColumn('t', 'c'))
    expect(names()).toEqual(['b_ordered', 'ab', 'none'])
    expect(store.table('t').indexes[2].where).toEqual({ b: null })
    expect(store.check().problems).toEqual([])
    store.write((tx) => tx.dropColumn('t', 'b'))
    expect(names()).toEqual([])
    store.write((tx) => tx.dropTable('t'))
  })

  test('a definition that makes no sense is refused, naming what is wrong, and leaves nothing', () => {
    const store = memoryStore()
    create(store, true)
    const codes: [IndexDefinition, string][] = [
      [{ columns: [] }, 'INVALID_ARGUMENT'],
      [{ columns: ['nope'] }, 'INVALID_ARGUMENT'],
      [{ columns: ['a', 'a'] }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], kind: 'btree' as never }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], name: 'b' }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], name: 'ab' }, 'EXISTS'],
      [{ columns: ['a'], where: { nope: 1 } }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], where: { a: undefined } }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], where: { a: { isNull: 1 } } }, 'INVALID_ARGUMENT'],
      [{ columns: ['a'], where: { a: 'text' } }, 'TYPE'],
    ]
    for (const [definition, code] of codes) {
      store.write((tx) => expect(errorOf(() => tx.addIndex('t', definition)).code).toBe(code))
      const columns = COLUMNS
      const indexes = [...INDEXES, definition]
      store.write((tx) =>
        expect(errorOf(() => tx.createTable('other', { key: 'id', columns, indexes })).code).toBe(code),
      )
    }
    expect(store.tableNames).toEqual(['t'])
    const { ordered } = store.table('t').indexes[1]
    expect(errorOf(() => ordered!.cursor({ lower: ['text'] })).code).toBe('TYPE')
    expect(errorOf(() => ordered!.cursor({ lower: [1, 'a', 3] })).code).toBe('INVALID_ARGUMENT')
    expect(errorOf(() => ordered!.cursor({ startsWith: [1] })).code).toBe('TYPE')
    expect(errorOf(() => ordered!.cursor({ startsWith: [1, 'a\ud800'] })).code).toBe('TYPE')
    expect(errorOf(() => ordered!.cursor({ startsWith: [] })).code).toBe('TYPE')
    expect(errorOf(() => store.write((tx) => tx.dropIndex('t', 'nope'))).code).toBe('NOT_FOUND')
  })

  test('a cursor ends with an error when its table changes, and goes on in a snapshot', () => {
    const store = memoryStore()
    create(store, true)
    const put = (id: string): void => store.write((tx) => tx.upsert('t', { id, a: 1, b: id, c: null }))
    put('x')
    put('y')
    using snapshot = store.snapshot()
    const live = store.table('t').indexes[1].ordered!.cursor()
    const pinned = snapshot.table('t').indexes[1].ordered!.cursor()
    expect([live.next(), pinned.next()]).toEqual([true, true])
    put('z')
    expect(errorOf(() => live.next()).code).toBe('CLOSED')
    expect([pinned.next(), pinned.next()]).toEqual([true, false])
    const emptied = store.table('t').indexes[1].ordered!.cursor()
    store.write((tx) => tx.truncate('t'))
    expect(errorOf(() => emptied.next()).code).toBe('CLOSED')
    const dropped = store.table('t').indexes[1].ordered!.cursor()
    store.write((tx) => tx.dropIndex('t', 'ab'))
    expect(errorOf(() => dropped.next()).code).toBe('NOT_FOUND')
    snapshot.close()
    expect(errorOf(() => pinned.next()).code).toBe('CLOSED')
  })

  test('check finds an index that lacks a row, has one too many, or has one under another value', () => {
    const store = memoryStore()
    create(store, true)
    const { heap } = store as unknown as { heap: Heap }
    store.write((tx) => {
      for (let i = 0; i < 500; i++)
        tx.insert('t', { id: `${i}`, a: i % 7 === 0 ? null : i, b: i % 2 === 0 ? null : `b${i}`, c: i % 3 === 0 })
    })
    for (const { name } of store.table('t').indexes) {
      const damages: ((index: MutableRowIndex, definition: TableIndex) => void)[] = [
        (index) => index.remove(15),
        (index, definition) => definition.covers(16) || index.add(16),
        (_index, { columns }) => heap.writer.setNumber(columns[0].addressOf(15), 1e9),
        (_index, { columns }) => heap.writer.setNumber(columns[columns.length - 1].addressOf(15), 1e9),
      ]
      for (const [i, damage] of damages.entries()) {
        if (UNDAMAGED[name]?.includes(i) === true) continue
        heap.begin()
        const definition = store.table('t').definedIndexes.find((each) => each.name === name)!
        damage(openStructure(heap, new Interner(heap), definition), definition)
        expect([name, i, store.check().problems.some((each) => each.includes(`index ${name}`))]).toEqual([
          name,
          i,
          true,
        ])
        heap.rollback()
        expect(store.check().problems).toEqual([])
      }
    }
  })

  test('a heap is of the newer layout from its first index with a definition on', () => {
    const store = memoryStore()
    const { heap } = store as unknown as { heap: Heap }
    create(store, false)
    store.write((tx) => tx.dropIndex('t', 'b_ordered'))
    expect(heap.live.number(ROOT.layoutVersion)).toBe(2)
    const older = memoryStore()
    older.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer' } }))
    expect((older as unknown as { heap: Heap }).heap.live.number(ROOT.layoutVersion)).toBe(1)
  })
})
