import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { fileStore, rejectionOf, temporaryPath } from '../support/store'

const DEFINITION = { key: 'id', columns: { id: 'integer', n: 'integer' } } as const

const CALLS: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  writeBeside: (store) => store.writeBeside(async () => undefined),
  bulkLoad: (store) => store.bulkLoad(async () => undefined),
  save: (store) => store.save(),
  'save into another file': (store) => store.save(`${store.path}.copy`),
  compact: (store) => store.compact(),
  sync: (store) => store.sync(),
  setDurability: (store) => store.setDurability('commit'),
  backup: (store) => store.backup(`${store.path}.backup`),
  buildIndex: (store) => store.buildIndex('t', { columns: ['n'] }),
  close: (store) => store.close(),
}

test.each(['writeBeside', 'bulkLoad'] as const)(
  'what would wait for %s, called inside it, throws, and the database goes on',
  async (outer) => {
    for (const [name, call] of Object.entries(CALLS)) {
      const store = fileStore(temporaryPath(), { durability: 'none' })
      let inner: unknown
      const error = await rejectionOf(
        store[outer](async (tx) => {
          tx.createTable('t', DEFINITION)
          await pause(1)
          inner = call(store)
          await inner
        }),
      )
      expect([error.code, error.message]).toEqual([
        'BUSY',
        expect.stringMatching(new RegExp(`^${name.split(' ')[0]} was called inside the function given to ${outer}`)),
      ])
      expect(store.tableNames).toEqual([])
      store.write((tx) => tx.createTable('t', DEFINITION))
      await store.save()
      await call(store)
    }
  },
)

test('what began inside may call it when the change has ended: timers, promises and listeners', async () => {
  const store = fileStore()
  const saved: Promise<void>[] = []
  let later: Promise<void> | undefined
  await store.writeBeside(async (tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
    later = pause(20).then(() => store.save())
    setTimeout(() => saved.push(store.save()), 20)
  })
  await store.save()
  await later
  while (saved.length === 0) await pause(5)
  await saved[0]
  // within a later change too: the timer is not part of it
  let timer: Promise<void> | undefined
  let end = (): void => undefined
  await store.writeBeside(async () => {
    timer = pause(10).then(() => store.save())
  })
  const open = store.writeBeside(async () => {
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
  const outside = store.writeBeside(async () => {
    await other.save()
    await other.writeBeside(async (tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    await pause(5)
  })
  const waiting = [store.save(), store.writeBeside(async () => undefined), store.compact()]
  await outside
  await Promise.all(waiting)
  expect(other.tableNames).toEqual(['t'])
})

test('with a log, sync inside a change waits for the commits before it', async () => {
  const store = fileStore(temporaryPath(), { durability: 'interval' })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.writeBeside(async () => {
    await store.sync()
    expect(store.stats().log!.syncedVersion).toBe(store.version)
  })
})
