import { describe, expect, test } from 'vitest'
import { MEMORIES } from '../heap/support/memories'
import { closeChecked, fileStore, rejectionOf, temporaryPath } from '../support/store'

describe.each(MEMORIES.slice(0, 2))('a bulk load on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()
  const definition = { key: 'id', columns: { id: 'integer', text: 'string' } } as const

  test('is there after reopening, writes next to no log, and the log goes on behind it', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    store.write((tx) => tx.createTable('t', definition))
    const follower = fileStore(path, { memory, follow: true })
    const before = store.snapshot()
    await store.bulkWrite(
      async (tx) => {
        const writer = tx.writer('t')
        for (let id = 0; id < 5000; id++) writer.insert({ id, text: `text number ${id}` })
        await new Promise(setImmediate)
        expect(store.table('t').rowCount).toBe(0)
      },
      { log: false },
    )
    expect([store.table('t').rowCount, before.table('t').rowCount]).toEqual([5000, 0])
    store.write((tx) => tx.delete('t', 17))
    await follower.following!.waitFor(store.version)
    expect(follower.table('t').rowCount).toBe(4999)
    before.close()
    await closeChecked(store)
    const again = fileStore(path, { memory })
    expect([again.table('t').rowCount, again.table('t').get(18)]).toEqual([4999, { id: 18, text: 'text number 18' }])
    expect(again.recovery.commits).toBe(1)
  })

  test('that throws leaves everything as it was', async () => {
    const store = fileStore(temporaryPath(), { memory })
    store.write((tx) => tx.createTable('t', definition))
    const version = store.version
    const failing = store.bulkWrite(
      async (tx) => {
        for (let id = 0; id < 100; id++) tx.insert('t', { id, text: 'x' })
        tx.insert('t', { id: 5, text: 'again' })
      },
      { log: false },
    )
    expect((await rejectionOf(failing)).code).toBe('UNIQUE')
    expect([store.version, store.table('t').rowCount]).toEqual([version, 0])
  })
})
