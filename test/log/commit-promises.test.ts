import { cpSync, renameSync, rmSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { SnapheapError } from '../../src/errors'
import { closeChecked, errorOf, fileStore, rejectionOf, temporaryPath } from '../support/store'
import type { Fault, Operation } from './support/faulty-files'
import { ids, type Machine, machine, put, putAsync, putIn, turn } from './support/machine'
import type { StoreOverFiles } from './support/store-over-files'

/** What is written to the log fails, until it is told otherwise. */
function fillLog(one: Machine, fault: Fault = { code: 'ENOSPC' }): void {
  one.files.faultOf = ({ kind, path }) =>
    ['write', 'create'].includes(kind) && path.includes('.log/') ? fault : undefined
}

function mend(one: Machine): void {
  one.files.faultOf = () => undefined
}

function isLogSync({ kind, path }: Operation): boolean {
  return kind === 'sync' && path.includes('.log/')
}

/** Passes on to the next turns until nothing is under way. */
async function quiet(one: Machine): Promise<void> {
  do await turn()
  while (!one.files.isIdle)
  await turn()
}

test.each([false, true])('a writeAsync that rejects has left nothing, with a saved file: %s', async (isSaved) => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  if (isSaved) await store.checkpoint()
  put(store, 2)
  const { version } = store
  const follower = one.follow({ showUnsynced: true })
  fillLog(one, { code: 'ENOSPC', share: 0.9 }) // the first of the two records arrives whole
  const rejections = [rejectionOf(putAsync(store, 3)), rejectionOf(putAsync(store, 4))]
  for (const { code, details } of await Promise.all(rejections))
    expect([code, details.systemCode]).toEqual(['IO', 'ENOSPC'])
  expect([ids(store), store.version]).toEqual([[1, 2], version])
  expect(store.check().problems).toEqual([])
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2])
  mend(one)
  await putAsync(store, 3) // once: what was rejected does not come after all
  expect(ids(store)).toEqual([1, 2, 3])
  await store.checkpoint()
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('what was rejected because it could not be written is not there after the process ended, either', async () => {
  const one = machine()
  put(one.open(), 1)
  fillLog(one, { code: 'ENOSPC', share: 0.9 })
  await Promise.all([rejectionOf(putAsync(one.store, 2)), rejectionOf(putAsync(one.store, 3))])
  await one.endProcess()
  expect([ids(one.open()), one.store.recovery.damaged]).toEqual([[1], undefined])
})

test('rows, tables and texts made after a commit was taken back are sound', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  fillLog(one)
  await rejectionOf(
    store.writeAsync((tx) => {
      tx.createTable('gone', { key: 'id', columns: { id: 'integer', text: 'string' } })
      tx.insert('gone', { id: 1, text: 'a text that is kept once, for all rows that have it' })
    }),
  )
  mend(one)
  expect(store.tableNames).toEqual(['t'])
  store.write((tx) => {
    tx.createTable('other', { key: 'id', columns: { id: 'integer', text: 'string' } })
    tx.insert('other', { id: 1, text: 'a text that is kept once, for all rows that have it' })
  })
  await one.endProcess()
  expect(one.open().table('other').get(1)).toEqual({
    id: 1,
    text: 'a text that is kept once, for all rows that have it',
  })
})

test('a change of many turns does not keep what was taken back under it, and commits are refused until it has ended', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  let goOn = (): void => undefined
  const first = rejectionOf(putAsync(store, 2))
  const beside = store.bulkWrite(async (tx) => {
    putIn(tx, store, 3)
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
  })
  fillLog(one)
  expect((await first).details.systemCode).toBe('ENOSPC')
  mend(one)
  const refused = errorOf(() => put(store, 4))
  expect(refused.message).toContain('are being taken back')
  goOn()
  expect((await rejectionOf(beside)).code).toBe('IO')
  await turn()
  expect(ids(store)).toEqual([1])
  put(store, 4)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 4])
})

test('a save that has begun with a commit which is taken back does not make it durable', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  await store.checkpoint()
  fillLog(one)
  const commit = rejectionOf(putAsync(store, 2))
  const copy = `${one.path}.copy`
  const saves = [rejectionOf(store.checkpoint()), rejectionOf(store.saveAs(copy))]
  expect((await commit).code).toBe('IO')
  expect((await saves[0]).code).toBe('IO')
  await saves[1].catch(() => undefined) // begun when the commit had been taken back: it has saved what is left
  mend(one)
  expect(ids(store)).toEqual([1])
  await one.endProcess()
  expect(ids(one.open())).toEqual([1])
})

test('commits that nobody awaits and that are taken back with one that somebody does are reported', async () => {
  const one = machine()
  const failures: SnapheapError[] = []
  const store = one.open({ onFailure: (error) => failures.push(error) })
  put(store, 1)
  store.write((tx) => tx.insert('t', { id: 2 }), { sync: false })
  fillLog(one)
  await rejectionOf(putAsync(store, 3))
  expect([ids(store), failures.map(({ code }) => code)]).toEqual([[1], ['IO']])
  mend(one)
  put(store, 4)
  await store.close() // they were reported, and what is shown is durable
})

test('an onFailure that throws keeps nobody waiting: commits are taken back, or writing ends, as without it', async () => {
  const thrown = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => undefined) // where it is thrown again
  onTestFinished(() => thrown.mockRestore())
  const one = machine()
  const open = (): StoreOverFiles =>
    one.open({
      onFailure: () => {
        throw new Error('of the listener')
      },
    })
  const store = open()
  put(store, 1)
  store.write((tx) => tx.insert('t', { id: 2 }), { sync: false })
  fillLog(one)
  expect((await rejectionOf(putAsync(store, 3))).code).toBe('IO')
  mend(one)
  put(store, 4)
  expect([ids(store), thrown.mock.calls.length]).toEqual([[1, 4], 1])
  store.write((tx) => tx.insert('t', { id: 5 }), { sync: false })
  one.failNext(isLogSync, { code: 'EIO' })
  expect((await rejectionOf(putAsync(store, 6))).code).toBe('IO')
  expect([ids(store), thrown.mock.calls.length]).toEqual([[1, 4], 2])
  expect((await rejectionOf(store.close())).code).toBe('IO')
  expect(one.files.openFiles).toEqual([])
  expect(ids(open())).toEqual([1, 4])
})

test('with durability interval, what could not be written is tried again by itself, and reported once', async () => {
  const one = machine()
  const failures: unknown[] = []
  const store = one.open({ durability: 'interval', onFailure: ({ details }) => failures.push(details.systemCode) })
  put(store, 1)
  await store.sync()
  let attempts = 0
  one.files.faultOf = ({ kind, path }) => {
    if (kind !== 'write' || !path.includes('.log/')) return undefined
    return ++attempts <= 6 ? { code: attempts <= 3 ? 'ENOSPC' : 'EIO' } : undefined
  }
  put(store, 2)
  await vi.waitFor(() => expect(store.stats().log!.syncedVersion).toBe(store.version), 5000)
  expect(failures).toEqual(['ENOSPC', 'EIO'])
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2])
})

test('close waits for a sync under way, and acknowledges nothing over its failure', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  one.isHeld = true
  one.failNext(isLogSync, { code: 'EIO' })
  const commit = rejectionOf(putAsync(store, 2))
  while (one.files.isIdle) await turn()
  const closed = store.close()
  one.isHeld = false
  await closed
  expect((await commit).code).toBe('IO')
  expect(one.files.openFiles).toEqual([])
  expect(ids(one.open())).toEqual([1])
})

test('what a synchronous commit has synced is there, though a sync begun before it fails, and nothing is promised afterwards', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  one.isHeld = true
  one.failNext(isLogSync, { code: 'EIO' })
  const second = putAsync(store, 2)
  while (one.files.isIdle) await turn()
  put(store, 3)
  await second
  one.isHeld = false
  await quiet(one)
  expect(ids(store)).toEqual([1, 2, 3])
  expect(errorOf(() => put(store, 4)).code).toBe('IO')
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('synchronous and asynchronous syncs of one file go through descriptors of their own', async () => {
  const one = machine()
  const synced = { now: new Set<number>(), beside: new Set<number>() }
  const store = one.open()
  const { sync, syncAsync } = one.files
  one.files.sync = (fd) => {
    synced.now.add(fd)
    sync.call(one.files, fd)
  }
  one.files.syncAsync = (fd) => {
    synced.beside.add(fd)
    return syncAsync.call(one.files, fd)
  }
  put(store, 1)
  await putAsync(store, 2)
  expect([synced.now.size, synced.beside.size]).toEqual([1, 1])
  expect([...synced.now]).not.toEqual([...synced.beside])
})

test.each(['interval', 'commit'] as const)(
  'with durability %s, close rejects when commits are lost, once, with everything given back',
  async (durability) => {
    const one = machine()
    const store = one.open({ durability })
    put(store, 1)
    await store.sync()
    const { version } = store
    store.write((tx) => tx.insert('t', { id: 2 }), { sync: false })
    fillLog(one)
    const error = await rejectionOf(store.close())
    expect([error.code, error.details.version]).toEqual(['IO', version])
    expect(error.message).toContain('are lost')
    await store.close()
    expect(one.files.openFiles).toEqual([])
    expect(ids(one.open())).toEqual([1])
  },
)

test('close resolves when every commit could be made durable, and when the one that could not was rejected', async () => {
  const one = machine()
  put(one.open(), 1)
  one.store.write((tx) => tx.insert('t', { id: 2 }), { sync: false })
  await one.store.close()
  expect(ids(one.open())).toEqual([1, 2])
  fillLog(one)
  expect(errorOf(() => put(one.store, 3)).code).toBe('IO')
  await one.store.close()
})

test('a log that was removed, renamed or replaced is noticed before the next commit is acknowledged, which leaves nothing', async () => {
  const removals: ((log: string) => void)[] = [
    (log) => rmSync(log, { recursive: true }),
    (log) => renameSync(log, `${log}.moved`),
    (log) => {
      renameSync(log, `${log}.moved`)
      cpSync(`${log}.moved`, log, { recursive: true })
    },
  ]
  for (const [i, remove] of removals.entries()) {
    for (const isAsync of [false, true]) {
      const path = temporaryPath()
      const store = fileStore(path)
      store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
      store.write((tx) => tx.insert('t', { id: 1 }))
      const { version } = store
      remove(`${path}.log`)
      const insert = (id: number): Promise<void> =>
        isAsync
          ? store.writeAsync((tx) => void tx.insert('t', { id }))
          : new Promise((resolve) => resolve(store.write((tx) => void tx.insert('t', { id }))))
      for (const id of [2, 3]) {
        const error = await rejectionOf(insert(id))
        expect([error.code, error.message.includes(`${path}.log`)]).toEqual(['NOT_FOUND', true])
      }
      expect([store.version, store.table('t').rowCount]).toEqual([version, 1])
      await closeChecked(store)
      if (i !== 1) continue
      renameSync(`${path}.log.moved`, `${path}.log`)
      const again = fileStore(path)
      expect([again.version, again.table('t').rowCount]).toEqual([version, 1])
      again.write((tx) => tx.insert('t', { id: 2 }))
    }
  }
})

test('with durability interval, a log that was removed is reported', async () => {
  const failures: SnapheapError[] = []
  const store = fileStore(temporaryPath(), { durability: 'interval', onFailure: (error) => failures.push(error) })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.sync()
  rmSync(`${store.path}.log`, { recursive: true })
  store.write((tx) => tx.insert('t', { id: 1 }))
  await vi.waitFor(() => expect(failures.map(({ code }) => code)).toEqual(['NOT_FOUND']))
  expect(await rejectionOf(store.close())).toBeInstanceOf(SnapheapError)
})
