import diagnosticsChannel from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { apply, columnSatisfies, getColumn, query, rows } from '../../src/functions'
import { type Database, open, Query, type QueryMessage } from '../../src/index'

const ROWS = 100_000
/** Longer than a slice: what takes it ends the slice that it is in, however fast everything else is. */
const LINGERED_MS = 12

function linger(): void {
  const end = performance.now() + LINGERED_MS
  while (performance.now() < end);
}

async function filled(): Promise<Database> {
  const db = await open()
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', a: { type: 'integer', index: false } } })
    tx.insertMany(
      't',
      Array.from({ length: ROWS }, (_, id) => ({ id, a: id % 100 })),
    )
  })
  return db
}

test('a query in slices sees one version, and lets others write meanwhile', async () => {
  const db = await filled()
  const isLow = (a: number): boolean => a < 50
  const lingering = apply((id: number) => {
    if (id % 20_000 === 0) linger()
    return id
  })
  const asked = query(db, rows('t'), columnSatisfies('t', 'a', isLow as never), getColumn('t', 'id'), lingering)
  let isOver = false
  const found = asked.collectAsync().finally(() => {
    isOver = true
  })
  let writes = 0
  while (!isOver) {
    db.write((tx) => tx.update('t', ROWS - 1 - writes, { a: 0 }))
    writes++
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(writes).toBeGreaterThanOrEqual(5)
  expect(await found).toEqual(Array.from({ length: ROWS }, (_, id) => id).filter((id) => id % 100 < 50))
  expect(await asked.countAsync()).toBe(asked.count())
  expect(db.stats().snapshots).toEqual([])
  expect(db.check().problems).toEqual([])
  await db.close()
})

test('objects in slices come from a snapshot that is asked, not from a database; a transaction cannot wait', async () => {
  const db = await filled()
  const query = db.query('t').where({ id: { in: [1, 2] } })
  await expect(query.collectAsync()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  using snapshot = db.snapshot()
  expect(await query.query().on(snapshot).collectAsync()).toEqual([
    { id: 1, a: 1 },
    { id: 2, a: 2 },
  ])
  let inTransaction: Promise<unknown> | undefined
  db.write((tx) => {
    inTransaction = tx.query('t').collectAsync()
  })
  await expect(inTransaction).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await db.close()
})

test('who listens to the channel hears how long each query took', async () => {
  const db = await filled()
  const heard: QueryMessage[] = []
  const listener = (message: unknown) => heard.push(message as QueryMessage)
  diagnosticsChannel.subscribe('snapheap:query', listener)
  db.query('t').where({ a: 7 }).count()
  db.query('t').limit(3).collect()
  diagnosticsChannel.unsubscribe('snapheap:query', listener)
  db.query('t').count()
  expect(heard.map(({ results }) => results)).toEqual([ROWS / 100, 3])
  expect(heard.every(({ elapsedMs, query }) => elapsedMs >= 0 && query instanceof Query)).toBe(true)
  await db.close()
})

test('no object is made where only values of it, or their number, are asked for', async () => {
  const db = await filled()
  const query = db.query('t').where({ a: { lt: 3 } })
  const reader = {
    table: (name: string) => {
      const table = db.table(name)
      table.read = () => {
        throw new Error('an object was made')
      }
      return table
    },
  }
  const asked = query.query().on(reader)
  expect(asked.count()).toBe(ROWS * 0.03)
  expect(asked.exists()).toBe(true)
  expect(query.values('a').on(reader).collect(2)).toEqual([0, 1])
  expect(query.groupBy('a').on(reader).collect()).toEqual([{ a: 0 }, { a: 1 }, { a: 2 }])
  expect(() => asked.collect(1)).toThrow('an object was made')
  await db.close()
})

/** How often others had their turn while a promise was pending, and what it gave. */
async function turnsDuring<T>(promise: Promise<T>): Promise<{ turns: number; result: T }> {
  let isOver = false
  let turns = 0
  const result = promise.finally(() => {
    isOver = true
  })
  for (; !isOver; turns++) await new Promise((resolve) => setImmediate(resolve))
  return { turns, result: await result }
}

test('rows that are sorted or grouped are read in slices, and so is what comes of them used', async () => {
  const db = await filled()
  let lingered = 0
  /** Lingers in every 20,000th of what is made, whatever it is. */
  const after = (each: Query<unknown>): Query<unknown> => {
    let made = 0
    const lingering = apply((value: unknown) => {
      if (made++ % 20_000 === 0) {
        linger()
        lingered++
      }
      return value
    })
    return query(db, each.plan, lingering)
  }
  /** Lingers in one row of each 65,536, which are read at once. */
  const within = (each: Query<unknown>): Query<unknown> => {
    const [first, ...others] = each.plan
    const lingering = columnSatisfies('t', 'id', ((id: number) => {
      if (id % 65_536 === 1) {
        linger()
        lingered++
      }
      return true
    }) as never)
    return query(db, first, lingering, others)
  }
  const all = db.query('t')
  const asked = [
    all.orderBy('a').orderBy('id', 'desc').values('id'),
    all.orderBy('a', 'desc').limit(50_000).skip(5).values('id'),
    all.groupBy('id', (group) => ({ a: group.max('a') })).orderBy('a'),
  ]
  for (const each of asked.flatMap((each) => [after(each), within(each)])) {
    lingered = 0
    const { turns, result } = await turnsDuring(each.collectAsync())
    expect(lingered).toBeGreaterThanOrEqual(2)
    expect(turns).toBeGreaterThanOrEqual(lingered)
    expect(result).toEqual(each.collect())
  }
  await db.close()
})

test('few rows in slices are those that they are at once', async () => {
  const db = await filled()
  const all = db.query('t')
  const indexed = all.where({ id: { in: [7, 5, 9, 11] }, a: { gt: 5 } }).orderBy('a')
  for (const each of [indexed.limit(2), indexed.skip(1), indexed.skip(1).limit(1), indexed.limit(0), all.limit(3)]) {
    expect(await each.values('id').collectAsync()).toEqual(each.values('id').collect())
    expect(await each.countAsync()).toBe(each.count())
  }
  await db.close()
})
