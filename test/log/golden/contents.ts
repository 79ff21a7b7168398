import type { Store } from '../../../src/db/store'
import { Decimal } from '../../../src/value/decimal'
import { Timestamp } from '../../../src/value/timestamp'

/**
 * What golden files hold. Files of earlier formats hold it too: a change here needs other files, so never change it.
 */
export const GOLDEN_ROWS = Array.from({ length: 40 }, (_, i) => ({
  id: i,
  flag: i % 2 === 0,
  big: 2n ** 70n + BigInt(i),
  number: i / 3,
  decimal: new Decimal(BigInt(i) * 11n, 2),
  text: `row ${i} ${'ü🦙'.repeat(i)}`,
  bytes: Buffer.from([i, 255 - i]),
  uuid: `${i.toString(16).padStart(8, '0')}-0000-4000-8000-c0ffee000001`,
  at: new Timestamp(1_700_000_000_000 + i, i),
  day: '2024-02-29',
  time: '23:59:59.999999',
  json: { i, list: [null, true] },
  list: [i, null],
  any: i % 3 === 0 ? null : i,
}))

export const GOLDEN_VERSION = 14

/** Rows 0 to 19 go into the file, what follows only into the log: an insert each for two rows, then changes. */
export async function fillGolden(store: Store): Promise<void> {
  store.write((tx) => {
    tx.createTable('golden', {
      key: 'id',
      columns: {
        id: 'integer',
        flag: 'boolean',
        big: 'bigint',
        number: 'number',
        decimal: 'decimal',
        text: { type: 'string', unique: true },
        bytes: 'bytes',
        uuid: 'uuid',
        at: 'timestamp',
        day: 'day',
        time: 'time',
        json: 'json',
        list: 'integer[]',
        any: { type: 'any', nullable: true },
      },
    })
    for (const row of GOLDEN_ROWS.slice(0, 20)) tx.insert('golden', { ...row, number: -1 })
  })
  await store.checkpoint()
  for (let i = 20; i < 40; i += 2) {
    store.write((tx) => {
      tx.annotation = `rows ${i} and ${i + 1}`
      for (const row of GOLDEN_ROWS.slice(i, i + 2)) tx.insert('golden', row)
    })
  }
  store.write((tx) => {
    for (const { id, number } of GOLDEN_ROWS.slice(0, 20)) tx.update('golden', id, { number })
    tx.createTable('empty', { key: 'id', columns: { id: 'string' } })
  })
  store.write((tx) => tx.renameTable('empty', 'void'))
}
