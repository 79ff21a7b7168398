import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import type { Transaction } from '../../src/db/transaction'
import { SnapheapError } from '../../src/errors'
import { encodeAs } from '../../src/table/column-type'
import type { TableDefinition } from '../../src/table/definition'
import { RowBatch } from '../../src/table/row-batch'
import { rowsOf, withStore } from '../support/store'

const TABLES: Record<string, TableDefinition> = {
  'a dense key, nothing indexed': {
    key: 'a',
    columns: {
      a: 'integer',
      b: { type: 'string', index: false },
      c: { type: 'integer', nullable: true, index: false },
    },
  },
  'a key that is looked up': {
    key: 'b',
    columns: { b: 'string', a: 'integer', c: { type: 'integer', nullable: true } },
  },
  'a key of two columns': {
    key: ['b', 'a'],
    columns: { a: 'integer', c: { type: 'integer', nullable: true }, b: 'string' },
  },
  'a unique column beside the key': {
    key: 'a',
    columns: { b: 'string', a: 'integer', c: { type: 'integer', nullable: true, unique: true } },
  },
  'indexes with a definition': {
    key: 'b',
    columns: { b: 'string', a: 'integer', c: { type: 'integer', nullable: true } },
    indexes: [
      { columns: ['a', 'c'], kind: 'ordered', unique: true, where: { c: { isNull: false } } },
      { columns: ['c', 'a'], kind: 'ordered' },
      { columns: ['a', 'c'] },
    ],
  },
}

type Row = Readonly<Record<string, unknown>>

const row = fc.record({
  a: fc.oneof(fc.nat(300), fc.constantFrom(-1, 1e6, 1e9)),
  b: fc.oneof(
    fc.nat(200).map((i) => `text number ${i}`),
    fc.constantFrom('', 'short', 'ü'.repeat(40)),
  ),
  c: fc.option(fc.nat(400), { nil: null }),
})
const ascending = fc.nat(300).chain((length) =>
  fc.nat(50).map((first) =>
    Array.from({ length }, (_, i) => ({
      a: first + i * 2,
      b: `text number ${first + i}`,
      c: i % 3 === 0 ? null : first + i,
    })),
  ),
)
/** Many batches fit; in the others some row is refused. */
const batches = fc.array(fc.oneof(ascending, fc.array(row, { maxLength: 8 }), fc.array(row, { maxLength: 60 })), {
  maxLength: 8,
})

function insertBatch(tx: Transaction, rows: readonly Row[]): void {
  const writer = tx.writer('t')
  const { columns } = writer.table
  const batch = new RowBatch(columns.length, rows.length)
  batch.count = rows.length
  for (const [i, column] of columns.entries()) {
    for (const [r, values] of rows.entries()) {
      const value = values[column.name]
      if (value === null) writer.interner.absent()
      else encodeAs(column.type, value, writer.interner)
      batch.words[batch.start(i) + r * 2] = writer.interner.low
      batch.words[batch.start(i) + r * 2 + 1] = writer.interner.high
    }
  }
  writer.insertBatch(batch)
}

/** What went wrong, if anything. */
function failure(run: () => void): { code: string; column: unknown } | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (!(error instanceof SnapheapError)) throw error
    return { code: error.code, column: error.details.column }
  }
}

function contents(store: Store): string[] {
  return rowsOf(store.table('t'))
    .map((each) => JSON.stringify(each, Object.keys(each).sort()))
    .sort()
}

describe.each(Object.entries(TABLES))('a batch into a table with %s', (_name, definition) => {
  test('is the same as its rows one by one, and all or none of them', async () => {
    await fc.assert(
      fc.asyncProperty(batches, (drawn) =>
        withStore((store) =>
          withStore((oneByOne) => {
            for (const each of [store, oneByOne]) each.write((tx) => tx.createTable('t', definition))
            for (const rows of drawn) {
              const refused = store.write((tx) => failure(() => insertBatch(tx, rows)))
              const expected = failure(() =>
                oneByOne.write((tx) => {
                  for (const values of rows) tx.insert('t', values)
                }),
              )
              expect(refused).toEqual(expected)
              expect(contents(store)).toEqual(contents(oneByOne))
              expect(store.check().problems).toEqual([])
            }
          }),
        ),
      ),
      { numRuns: 20 },
    )
  })
})
