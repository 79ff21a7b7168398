import { expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { closeChecked, fileStore, memoryStore, rejectionOf, temporaryPath } from '../support/store'

const ROWS = 30_000

function filled(store: Store): Store {
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', n: { type: 'integer', index: false }, text: 'string' } })
    for (let id = 0; id < ROWS; id++) tx.insert('t', { id, n: (id * 7919) % ROWS, text: `text ${id % 100}` })
  })
  return store
}

/** Lets `change` run in every turn of the event loop until the promise is settled. Returns how many turns that took. */
async function meanwhile(promise: Promise<unknown>, change: (turn: number) => void): Promise<number> {
  let isOver = false
  let turns = 0
  const settled = promise.then(
    () => {
      isOver = true
    },
    () => {
      isOver = true
    },
  )
  while (!isOver) {
    change(turns++)
    await new Promise(setImmediate)
  }
  await settled
  return turns
}

test('an index is built while others insert, change and delete, and is seen once it is whole', async () => {
  const store = filled(memoryStore())
  const earlier = store.snapshot()
  let seen = 0
  const building = Promise.all([
    store.buildIndex('t', { name: 'sorted', columns: ['n', 'text'], kind: 'ordered' }),
    store.buildIndex('t', { name: 'some', columns: ['text', 'n'], where: { text: 'text 7' } }),
  ])
  const turns = await meanwhile(building, (turn) => {
    seen = Math.max(seen, store.table('t').indexes.length)
    store.write((tx) => {
      tx.delete('t', (turn * 31) % ROWS)
      tx.upsert('t', { id: (turn * 97) % ROWS, n: -turn, text: 'text 7' })
      tx.insert('t', { id: ROWS + turn, n: turn, text: 'new' })
    })
    if (turn % 16 === 0) expect(store.check().problems).toEqual([])
  })
  await building
  expect(turns).toBeGreaterThan(4)
  expect(
    store
      .table('t')
      .indexes.map((each) => each.name)
      .sort(),
  ).toEqual(['some', 'sorted'])
  expect(store.table('t').indexes.find((each) => each.name === 'sorted')!.entries).toBe(store.table('t').rowCount)
  expect(store.check().problems).toEqual([])
  expect(earlier.table('t').indexes).toEqual([])
  earlier.close()
})

test('what breaks a unique index ends its building, also when it came in between, and leaves nothing', async () => {
  const store = filled(memoryStore())
  const building = store.buildIndex('t', { name: 'once', columns: ['n'], kind: 'ordered', unique: true })
  await meanwhile(
    building.catch(() => undefined),
    (turn) => {
      if (turn === 2)
        store.write((tx) =>
          tx.insert('t', {
            id: ROWS + 5,
            n: store
              .table('t')
              .column('n')
              .get(ROWS - 1),
            text: 'late',
          }),
        )
    },
  )
  const error = await rejectionOf(building)
  expect(error.code).toBe('UNIQUE')
  expect(store.table('t').definedIndexes).toEqual([])
  expect((await rejectionOf(store.buildIndex('t', { columns: ['nope'] }))).code).toBe('INVALID_ARGUMENT')
  expect(store.check().problems).toEqual([])
})

test('an index whose building a restart broke off is invisible, and is begun anew', async () => {
  const path = temporaryPath()
  const first = filled(fileStore(path))
  first.write((tx) => {
    tx.beginIndex('t', { name: 'sorted', columns: ['n'], kind: 'ordered' })
    expect(tx.growIndex('t', 'sorted', () => true)).toBe(false)
  })
  await closeChecked(first)
  const second = fileStore(path)
  expect(second.table('t').indexes).toEqual([])
  second.write((tx) => tx.update('t', 3, { n: 1_000_000 }))
  expect(second.check().problems).toEqual([])
  await second.buildIndex('t', { name: 'sorted', columns: ['n'], kind: 'ordered' })
  const cursor = second.table('t').indexes[0].ordered!.cursor({}, 'descending')
  expect([cursor.next(), cursor.row]).toEqual([true, 3])
  expect((await rejectionOf(second.buildIndex('t', { name: 'sorted', columns: ['n'] }))).code).toBe('EXISTS')
  await closeChecked(second)
})
