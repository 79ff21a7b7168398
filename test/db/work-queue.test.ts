import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { fileStore, rejectionOf, temporaryPath } from '../support/store'

const DEFINITION = { key: 'id', columns: { id: 'integer', n: 'integer' } } as const

const CALLS: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  bulkWrite: (store) => store.bulkWrite(async () => undefined),
  'bulkWrite without log': (store) => store.bulkWrite(async () => undefined, { log: false }),
  checkpoint: (store) => store.checkpoint(),
  saveAs: (store) => store.saveAs(`${store.path}.copy`),
  compact: (store) => store.compact(),
  sync: (store) => store.sync(),
  setDurability: (store) => store.setDurability('commit'),
  backup: (store) => store.backup(`${store.path}.backup`),
  buildIndex: (store) => store.buildIndex('t', { columns: ['n'] }),
  close: (store) => store.close(),
}

test.each([true, false])(
  'a call that would wait for a bulk write (log: %s) throws inside it, and the database goes on',
  async (log) => {
    for (const [name, call] of Object.entries(CALLS)) {
      const store = fileStore(temporaryPath(), { durability: 'none' })
      let inner: unknown
      const error = await rejectionOf(
        store.bulkWrite(
          async (tx) => {
            tx.createTable('t', DEFINITION)
            await pause(1)
            inner = call(store)
            await inner
          },
          { log },
        ),
      )
      expect([error.code, error.message]).toEqual([
        'BUSY',
        expect.stringMatching(
          new RegExp(`^db\\.${name.split(' ')[0]}\\(\\) was called inside the function given to db\\.bulkWrite\\(\\)`),
        ),
      ])
      expect(store.tableNames).toEqual([])
      store.write((tx) => tx.createTable('t', DEFINITION))
      await store.checkpoint()
      await call(store)
    }
  },
)

test('what began inside may call it when the change has ended: timers, promises and listeners', async () => {
  const store = fileStore()
  const saved: Promise<void>[] = []
  let later: Promise<void> | undefined
  await store.bulkWrite(async (tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
    later = pause(20).then(() => store.checkpoint())
    setTimeout(() => saved.push(store.checkpoint()), 20)
  })
  await store.checkpoint()
  await later
  while (saved.length === 0) await pause(5)
  await saved[0]
  // within a later change too: the timer is not part of it
  let timer: Promise<void> | undefined
  let end = (): void => undefined
  await store.bulkWrite(async () => {
    timer = pause(10).then(() => store.checkpoint())
  })
  const open = store.bulkWrite(async () => {
    await new Promise<void>((resolve) => {
      end = resolve
    })
  })
  await pause(30)
  end()
  await Promise.all([open, timer])
})

test('inside a change, another database may be saved, and others may wait for this one', async () => {
  const store = fileStore()
  const other = fileStore()
  const outside = store.bulkWrite(async () => {
    await other.checkpoint()
    await other.bulkWrite(async (tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    await pause(5)
  })
  const waiting = [store.checkpoint(), store.bulkWrite(async () => undefined), store.compact()]
  await outside
  await Promise.all(waiting)
  expect(other.tableNames).toEqual(['t'])
})

test('with a log, sync inside a change waits for the commits before it', async () => {
  const store = fileStore(temporaryPath(), { durability: 'interval' })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.bulkWrite(async () => {
    await store.sync()
    expect(store.stats().log!.syncedVersion).toBe(store.version)
  })
})
