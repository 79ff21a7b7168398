import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { Difference } from '../../src/mirror/difference'
import { createLeaves, LeafRows, leavesName } from '../../src/mirror/leaf-rows'
import { atOnce } from '../../src/struct/steps'
import { withStore } from '../support/store'

interface Row {
  a: number
  b: string
  v: string | null
  leaf: number
}

const anyRow = fc.record({
  a: fc.integer({ min: 0, max: 5 }),
  b: fc.constantFrom('x', 'y', 'é'),
  v: fc.option(fc.string({ maxLength: 4 })),
  leaf: fc.integer({ min: 1, max: 3 }),
})
const anyRows = fc.uniqueArray(anyRow, { selector: ({ a, b }) => `${a} ${b}`, maxLength: 18 })
const COLUMNS = { a: 'integer', b: 'string', v: { type: 'string', nullable: true } } as const

/** The same columns in another order: a copy has the order of its source. */
const COPIED = { v: { type: 'string', nullable: true }, b: 'string', a: 'integer' } as const

function fill(
  store: Store,
  name: string,
  columns: typeof COLUMNS | typeof COPIED,
  rows: Row[],
  isParted: boolean,
): void {
  store.write((tx) => {
    tx.createTable(name, { key: ['a', 'b'], columns })
    if (isParted) createLeaves(tx, name, 'slot')
  })
  store.write((tx) => {
    tx.manage()
    const leaves = isParted ? new LeafRows(tx, name) : undefined
    for (const { leaf, ...row } of rows) leaves?.add(tx.writer(name).insert(row), leaf)
    if (!isParted) for (const { leaf, ...row } of rows) tx.insert(name, row)
  })
}

const rowsOf = (store: Store, name: string): Map<string, { row: number; v: unknown; leaf: unknown }> => {
  const table = store.table(name)
  const leaves = store.tableNames.includes(leavesName(name)) ? store.table(leavesName(name)) : undefined
  return new Map(
    [...table.rows()].map((row) => {
      const { a, b, v } = table.read(row)
      return [`${a} ${b}`, { row, v, leaf: leaves?.get(row)?.leaf }]
    }),
  )
}

const expected = (rows: Row[], isParted: boolean) =>
  new Map(rows.map(({ a, b, v, leaf }) => [`${a} ${b}`, { v, leaf: isParted ? leaf : undefined }]))

test('after a difference a table has the rows of the copy, and the rows that were the same are untouched', async () => {
  await fc.assert(
    fc.asyncProperty(anyRows, anyRows, async (served, copied) => {
      await withStore((store) => {
        fill(store, 't', COLUMNS, served, false)
        fill(store, 't~copy', COPIED, copied, false)
        const before = rowsOf(store, 't')
        const counts = store.write((tx) => {
          const difference = new Difference(tx, store, 't', 't~copy')
          atOnce(difference.steps([1]))
          return difference.counts
        })
        const after = rowsOf(store, 't')
        expect(new Map([...after].map(([key, { v, leaf }]) => [key, { v, leaf }]))).toEqual(expected(copied, false))
        const kept = [...after].filter(([key]) => before.has(key))
        expect(kept.map(([key, { row }]) => [key, row])).toEqual(kept.map(([key]) => [key, before.get(key)!.row]))
        const changed = kept.filter(([key, { v }]) => before.get(key)!.v !== v).length
        expect(counts).toEqual({
          inserted: after.size - kept.length,
          updated: changed,
          deleted: before.size - kept.length,
        })
      })
    }),
  )
})

test('a difference of some leaves leaves the rows of the others as they are', async () => {
  await fc.assert(
    fc.asyncProperty(anyRows, anyRows, fc.subarray([1, 2, 3]), async (served, other, leaves) => {
      // a row is in one leaf only: those of the copied leaves are all in the copy, and none of the others
      const kept = served.filter(({ leaf }) => !leaves.includes(leaf))
      const keys = new Set(kept.map(({ a, b }) => `${a} ${b}`))
      const copied = other.filter(({ a, b, leaf }) => leaves.includes(leaf) && !keys.has(`${a} ${b}`))
      await withStore((store) => {
        fill(store, 't', COLUMNS, served, true)
        fill(store, 't~copy', COPIED, copied, true)
        store.write((tx) => {
          tx.manage()
          atOnce(new Difference(tx, store, 't', 't~copy').steps(leaves))
        })
        const after = rowsOf(store, 't')
        expect(new Map([...after].map(([key, { v, leaf }]) => [key, { v, leaf }]))).toEqual(
          expected([...kept, ...copied], true),
        )
        expect(store.table(leavesName('t')).rowCount).toBe(after.size)
      })
    }),
  )
})
