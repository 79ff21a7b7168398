import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { Decimal } from '../../src/value/decimal'
import { errorOf, fileStore, memoryStore, temporaryPath, withStore } from '../support/store'

function priced(store: Store): Store {
  store.write((tx) =>
    tx.createTable('item', {
      key: 'id',
      columns: { id: 'integer', price: { type: 'decimal', scale: 2, nullable: true }, free: 'decimal' },
    }),
  )
  return store
}

describe('a column of decimals with a scale', () => {
  test('keeps and finds numbers by what they are, however they are written', async () => {
    const amount = fc.record({ cents: fc.bigInt({ min: -500n, max: 500n }), zeros: fc.nat({ max: 3 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(amount, { maxLength: 30 }), amount, async (amounts, sought) => {
        await withStore((store) => {
          priced(store)
          const written = ({ cents, zeros }: typeof sought) => new Decimal(cents * 10n ** BigInt(zeros), 2 + zeros)
          store.write((tx) => {
            for (const [id, each] of amounts.entries())
              tx.insert('item', { id, price: id % 2 ? written(each) : String(written(each)), free: 0 })
          })
          const table = store.table('item')
          const expected = amounts.flatMap(({ cents }, id) => (cents === sought.cents ? [id] : []))
          for (const [id, { cents }] of amounts.entries())
            expect(table.column('price').get(id)).toEqual(new Decimal(cents, 2))
          const forms = [written(sought), String(written(sought)), Number(sought.cents) / 100]
          if (sought.cents % 100n === 0n) forms.push(...([sought.cents / 100n] as unknown as number[]))
          for (const form of forms) expect(table.findRows({ price: form })).toEqual(expected)
        })
      }),
      { numRuns: 30 },
    )
  })

  test('refuses what has more digits, finds nothing by it, and leaves no value out', () => {
    const store = priced(memoryStore())
    const table = store.table('item')
    for (const price of ['1.555', 1.555, Decimal.parse('0.001'), 'x', true]) {
      const error = errorOf(() => store.write((tx) => tx.insert('item', { id: 1, price, free: 1 })))
      expect(error.message).toMatch(
        /Column item\.price \(decimal\) cannot hold .* with at most 2 digits after the point/,
      )
    }
    store.write((tx) => {
      tx.insert('item', { id: 1, price: Number.NaN, free: '1.50' })
      tx.insert('item', { id: 2, price: null, free: '1.5' })
      tx.update('item', 2, { price: 3 })
      tx.insert('item', { id: 3, free: 1 })
    })
    expect(table.findRows({ price: '3.000' })).toEqual([2])
    expect(table.findRows({ price: Number.NaN })).toEqual([1])
    expect(table.findRows({ price: null })).toEqual([3])
    expect(table.findRows({ price: 1.555 })).toEqual([])
    expect(table.findRows({ free: '1.5' })).toEqual([2]) // without a scale, 1.5 and 1.50 are two values
  })

  test('still has it when the file is opened again', async () => {
    const path = temporaryPath()
    const store = priced(fileStore(path))
    store.write((tx) => tx.insert('item', { id: 1, price: 1.5, free: 0 }))
    await store.close()
    const table = fileStore(path).table('item')
    expect([table.column('price').scale, table.column('free').scale]).toEqual([2, undefined])
    expect(table.findRows({ price: 1.5 })).toEqual([1])
  })

  test('is declared with decimals only, and as a number of digits', () => {
    const declare = (definition: object) => () =>
      memoryStore().write((tx) =>
        tx.createTable('t', { key: 'id', columns: { id: 'integer', v: definition as never } }),
      )
    expect(errorOf(declare({ type: 'number', scale: 2 })).message).toMatch(/t\.v of type number has a scale/)
    for (const scale of [-1, 1.5, 16384, '2'])
      expect(errorOf(declare({ type: 'decimal', scale })).code).toBe('INVALID_ARGUMENT')
  })
})
