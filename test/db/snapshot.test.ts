import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../../src/db/snapshot'
import { Store } from '../../src/db/store'
import { MEMORIES } from '../heap/support/memories'
import { errorOf, memoryStore, rowsOf, temporaryPath } from '../support/store'

describe.each(MEMORIES.slice(0, 2))('snapshots on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  function filled(): Store {
    const store = memoryStore({ memory })
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
      for (let id = 0; id < 2000; id++) tx.insert('t', { id, text: `the text of row ${id}` })
    })
    return store
  }

  test('keep their version while everything changes', () => {
    const store = filled()
    const before = rowsOf(store.table('t'))
    const snapshot = store.snapshot()
    const { version } = store
    store.write((tx) => tx.truncate('t'))
    store.write((tx) => {
      for (let id = 0; id < 3000; id++) tx.insert('t', { id, text: `another text of row ${id}` })
    })
    store.write((tx) => tx.dropTable('t'))
    store.write((tx) => tx.createTable('u', { key: 'id', columns: { id: 'integer' } }))
    expect([snapshot.version, snapshot.tableNames, rowsOf(snapshot.table('t'))]).toEqual([version, ['t'], before])
    expect(snapshot.table('t').findRows({ text: 'the text of row 77' })).toEqual([77])
    expect(errorOf(() => snapshot.table('u')).code).toBe('NOT_FOUND')
    snapshot.close()
  })

  test('closing is idempotent, and everything read through it afterwards is CLOSED', () => {
    const store = filled()
    const snapshot = store.snapshot()
    const table = snapshot.table('t')
    const column = table.column('text')
    expect(column.get(1)).toBe('the text of row 1')
    snapshot.close()
    snapshot.close()
    for (const use of [
      () => snapshot.table('t'),
      () => snapshot.tableNames,
      () => table.get(1),
      () => table.rowOf(1),
      () => table.rowCount,
      () => column.get(1),
      () => column.index,
    ]) {
      expect(errorOf(use).code).toBe('CLOSED')
    }
    expect(store.table('t').rowCount).toBe(2000)
  })

  test('what only they see is counted under their owner, and given back', () => {
    const store = filled()
    expect(store.stats()).toMatchObject({ snapshots: [], retainedBytes: 0 })
    const arenaBytes = store.stats().arenaBytes
    const first = store.snapshot('a report')
    const second = store.snapshot('a backup')
    store.write((tx) => {
      for (let id = 0; id < 2000; id++) tx.update('t', id, { text: `another text of row ${id}` })
    })
    const held = store.stats()
    expect(held.snapshots.map(({ owner }) => owner).sort()).toEqual(['a backup', 'a report'])
    for (const { heldMs } of held.snapshots) expect(heldMs).toBeGreaterThanOrEqual(0)
    expect(held.retainedBytes).toBeGreaterThan(0)
    expect(held.arenaBytes).toBeGreaterThan(arenaBytes)
    second.close()
    expect(store.stats().retainedBytes).toBe(held.retainedBytes)
    first.close()
    expect(store.stats()).toMatchObject({ snapshots: [], retainedBytes: 0 })
  })

  test('reading beside holds one until its promise is settled, and none where it throws at once', async () => {
    const store = filled()
    const owners = () => store.stats().snapshots.map(({ owner }) => owner)
    const fault = new Error('no promise came of it')
    const throwing = (): never => {
      throw fault
    }
    await expect(store.readPinned(throwing)).rejects.toBe(fault)
    expect(owners()).toEqual([])
    let settle = (_value: number): void => undefined
    const read = store.readPinned(() => new Promise<number>((resolve) => void (settle = resolve)))
    const held = owners()
    let isClosed = false
    const closed = store.close().then(() => void (isClosed = true))
    await new Promise(setImmediate)
    const isClosedMeanwhile = isClosed
    settle(7)
    expect(await read).toBe(7)
    await closed
    expect([held, isClosedMeanwhile]).toEqual([['work beside'], false])
  })

  test('a forgotten one is closed once it is garbage', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const store = filled()
    const forget = () => void store.snapshot('forgotten').table('t').get(1)
    forget()
    expect(store.stats().snapshots.map(({ owner }) => owner)).toEqual(['forgotten'])
    for (let i = 0; i < 200 && store.stats().snapshots.length > 0; i++) {
      await new Promise(setImmediate)
      collect()
    }
    expect(store.stats().snapshots).toEqual([])
  })

  test('`using` closes them', () => {
    const store = filled()
    {
      using snapshot = store.snapshot()
      expect(snapshot.table('t').rowCount).toBe(2000)
      expect(store.stats().snapshots).toHaveLength(1)
    }
    expect(store.stats().snapshots).toEqual([])
  })
})

test('a forgotten snapshot and its closed database are garbage, though its listener knows the snapshot', async () => {
  const use = async (): Promise<WeakRef<Snapshot>> => {
    const held: Snapshot[] = []
    const store = Store.open(temporaryPath(), { onFailure: () => void held.length })
    held.push(store.snapshot())
    await store.close()
    return new WeakRef(held[0]!)
  }
  const forgotten = await use()
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate)
    collect()
  }
  expect(forgotten.deref()).toBeUndefined()
})
