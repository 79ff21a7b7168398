import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import type { Transaction } from '../../src/db/transaction'
import type { Table } from '../../src/table/table'
import type { TableWriter } from '../../src/table/table-writer'
import { MEMORIES } from '../heap/support/memories'
import { errorOf, memoryStore, rejectionOf, rowsOf, withStore } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { heapDigest } from './support/heap-bytes'

const ABORT = new Error('aborted on purpose')

describe.each(MEMORIES.slice(0, 2))('transactions on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  function filled(): Store {
    const store = memoryStore({ memory })
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
      for (let id = 0; id < 100; id++) tx.insert('t', { id, text: `the text of row ${id}` })
    })
    return store
  }

  test('an annotation has at most 64 KiB of UTF-8, and a larger one is refused with its size and the limit', () => {
    const store = filled()
    for (const text of ['x'.repeat(65_536), 'é'.repeat(32_768), '€'.repeat(21_845), '😀'.repeat(16_384)]) {
      store.write((tx) => {
        tx.annotation = text
        const error = errorOf(() => {
          tx.annotation = `${text}é`
        })
        expect([error.code, error.message]).toEqual([
          'INVALID_ARGUMENT',
          expect.stringContaining(`${Buffer.byteLength(text) + 2} bytes of UTF-8; at most 65536 fit`),
        ])
        expect(tx.annotation).toBe(text)
      })
    }
  })

  test('its changes are visible to it and to readers at once, and stay after it', () => {
    const store = filled()
    const result = store.write((tx) => {
      tx.update('t', 1, { text: 'changed' })
      expect(tx.get('t', 1)).toEqual({ id: 1, text: 'changed' })
      expect(store.table('t').get(1)).toEqual({ id: 1, text: 'changed' })
      return 'the result'
    })
    expect([result, store.table('t').get(1)?.text]).toEqual(['the result', 'changed'])
  })

  test('each commit raises the version by one, a rollback does not', () => {
    const store = filled()
    const { version } = store
    store.write((tx) => tx.delete('t', 1))
    expect(store.version).toBe(version + 1)
    expect(() =>
      store.write(() => {
        throw ABORT
      }),
    ).toThrow(ABORT)
    expect(store.version).toBe(version + 1)
  })

  test('a throw after any statements leaves the heap byte-identical, with and without a snapshot', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyCommand, { minLength: 5, maxLength: 40, size: 'max' }),
        fc.array(anyCommand, { minLength: 1, maxLength: 25, size: 'max' }),
        fc.boolean(),
        (committed, aborted, withSnapshot) =>
          withStore(
            (store) => {
              const runner = new CommandRunner(SHAPES)
              store.write((tx) => {
                tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
                for (const command of committed) runner.run(tx, command)
              })
              const snapshot = withSnapshot ? store.snapshot() : undefined
              const before = heapDigest(store)
              expect(() =>
                store.write((tx) => {
                  for (const command of aborted) runner.run(tx, command)
                  for (let id = 0; id < 300; id++) tx.insert('t', { id })
                  throw ABORT
                }),
              ).toThrow(ABORT)
              expect(heapDigest(store)).toBe(before)
              snapshot?.close()
            },
            { memory },
          ),
      ),
      { numRuns: 20, interruptAfterTimeLimit: 30_000 },
    )
  })

  test('a rollback takes back what made the heap grow', () => {
    const store = filled()
    const before = heapDigest(store)
    const { heapBytes, usedBytes } = store.stats()
    for (let round = 0; round < 3; round++) {
      expect(() =>
        store.write((tx) => {
          for (let id = 100; id < 20_000; id++) tx.insert('t', { id, text: `a new text of row ${id}` })
          tx.createTable('u', { key: 'id', columns: { id: 'integer' } })
          throw ABORT
        }),
      ).toThrow(ABORT)
      expect(heapDigest(store)).toBe(before)
      expect(store.stats()).toMatchObject({ heapBytes, usedBytes })
      expect(store.tableNames).toEqual(['t'])
    }
  })

  test('an async function is refused, and nothing of it stays', async () => {
    const store = filled()
    const before = heapDigest(store)
    let leaked: Transaction | undefined
    const error = errorOf(() =>
      store.write(async (tx) => {
        leaked = tx
        tx.delete('t', 1)
        await Promise.resolve()
        tx.delete('t', 2)
      }),
    )
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', expect.stringContaining('bulkWrite')])
    await new Promise(setImmediate)
    expect(heapDigest(store)).toBe(before)
    expect(errorOf(() => leaked!.delete('t', 2)).code).toBe('NO_TRANSACTION')
  })

  test('what a transaction handed out changes nothing once it has ended', () => {
    const store = filled()
    const leaked = {} as { tx: Transaction; writer: TableWriter; table: Table }
    store.write((tx) => Object.assign(leaked, { tx, writer: tx.writer('t'), table: tx.table('t') }))
    const before = heapDigest(store)
    for (const change of [
      () => leaked.tx.insert('t', { id: 500, text: 'x' }),
      () => leaked.tx.createTable('u', { key: 'id', columns: { id: 'integer' } }),
      () => leaked.tx.table('t'),
      () => leaked.writer.insert({ id: 500, text: 'the text of row 5' }),
      () => leaked.writer.update(5, { text: 'the text of row 6' }),
      () => leaked.writer.delete(5),
      () => leaked.writer.truncate(),
    ]) {
      const error = errorOf(change)
      expect([error.code, error.message]).toEqual(['NO_TRANSACTION', expect.stringContaining('db.write')])
    }
    expect(heapDigest(store)).toBe(before)
    expect(leaked.table.rowCount).toBe(100)
  })

  test('a transaction within another is BUSY, as is a snapshot; the outer one goes on', () => {
    const store = filled()
    store.write((tx) => {
      tx.delete('t', 1)
      expect(errorOf(() => store.write(() => undefined)).code).toBe('BUSY')
      expect(errorOf(() => store.snapshot()).message).toContain('before or after db.write')
      tx.delete('t', 2)
    })
    expect(store.table('t').rowCount).toBe(98)
  })

  test('a closed database refuses everything by name', async () => {
    const store = filled()
    const table = store.table('t')
    const snapshot = store.snapshot()
    const pinned = snapshot.table('t')
    const row = pinned.get(1)
    expect(store.check().problems).toEqual([])
    await store.close()
    await store.close()
    for (const use of [
      () => store.table('t'),
      () => store.tableNames,
      () => store.write(() => undefined),
      () => store.snapshot(),
      () => store.stats(),
      () => store.check(),
      () => table.get(1),
      () => table.column('text').get(1),
      () => table.column('text').number(1),
      () => table.rowCount,
      () => table.findRows({ text: 'x' }),
      () => [...table.rows()],
      () => snapshot.table('t'),
      () => pinned.get(1),
      () => pinned.column('text').get(1),
      () => pinned.findRows({ text: 'x' }),
    ]) {
      expect(errorOf(use).code).toBe('CLOSED')
    }
    expect((await rejectionOf(store.bulkWrite(async () => undefined))).code).toBe('CLOSED')
    expect(['CLOSED', 'INVALID_ARGUMENT']).toContain((await rejectionOf(store.checkpoint())).code)
    expect(row).toEqual({ id: 1, text: 'the text of row 1' })
    snapshot.close()
  })
})

describe.each(MEMORIES.slice(0, 2))('transactions beside readers on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()
  const turn = () => new Promise(setImmediate)

  function filled(): Store {
    const store = memoryStore({ memory })
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
      for (let id = 0; id < 100; id++) tx.insert('t', { id, text: `the text of row ${id}` })
    })
    return store
  }

  test('readers see the version before it until it is whole, then all of it', async () => {
    const store = filled()
    const table = store.table('t')
    const before = rowsOf(table)
    const during: unknown[] = []
    const done = store.bulkWrite(async (tx) => {
      for (let id = 100; id < 5000; id++) {
        tx.insert('t', { id, text: `a new text of row ${id}` })
        if (id % 500 === 0) await turn()
      }
      tx.createTable('u', { key: 'id', columns: { id: 'integer' } })
      tx.update('t', 1, { text: 'changed' })
      expect(tx.table('t').rowCount).toBe(5000)
      await turn()
      return 'the result'
    })
    for (let i = 0; i < 5; i++) {
      await turn()
      during.push(rowsOf(table), store.tableNames)
    }
    expect(during).toEqual(Array.from({ length: 5 }, () => [before, ['t']]).flat())
    expect(await done).toBe('the result')
    expect([table.rowCount, table.get(1)?.text, store.tableNames]).toEqual([5000, 'changed', ['t', 'u']])
  })

  test('the newest version is found sound while a transaction beside it has made and freed much', async () => {
    const store = filled()
    const found: unknown[] = []
    await store.bulkWrite(async (tx) => {
      found.push(store.check())
      for (let id = 100; id < 5000; id++) tx.insert('t', { id, text: `a new text of row ${id}` })
      for (let id = 0; id < 50; id++) tx.delete('t', id)
      tx.createTable('u', { key: 'id', columns: { id: 'integer' } })
      await turn()
      found.push(store.check())
    })
    expect(found[1]).toEqual(found[0])
    expect(store.check().problems).toEqual([])
  })

  test('a throw leaves the heap byte-identical, and the next transaction works', async () => {
    const store = filled()
    const before = heapDigest(store)
    await expect(
      store.bulkWrite(async (tx) => {
        for (let id = 100; id < 5000; id++) tx.insert('t', { id, text: `a new text of row ${id}` })
        tx.truncate('t')
        await turn()
        throw ABORT
      }),
    ).rejects.toThrow(ABORT)
    expect(heapDigest(store)).toBe(before)
    store.write((tx) => tx.insert('t', { id: 100, text: 'after' }))
    expect(store.table('t').get(100)).toEqual({ id: 100, text: 'after' })
  })

  test('snapshots taken during it show the version before, whether it commits or not', async () => {
    const store = filled()
    const before = rowsOf(store.table('t'))
    for (const fails of [true, false]) {
      let snapshot: ReturnType<Store['snapshot']> | undefined
      const done = store.bulkWrite(async (tx) => {
        tx.delete('t', 1)
        snapshot = store.snapshot('taken during')
        tx.delete('t', 2)
        await turn()
        expect(rowsOf(snapshot.table('t'))).toEqual(before)
        if (fails) throw ABORT
      })
      await done.catch((error: unknown) => expect(error).toBe(ABORT))
      store.write((tx) => tx.upsert('t', { id: 3, text: 'the text of row 3' }))
      expect(rowsOf(snapshot!.table('t'))).toEqual(before)
      snapshot!.close()
    }
    expect(store.table('t').rowCount).toBe(98)
  })

  test('write is BUSY meanwhile; another of its kind and a save wait for it', async () => {
    const store = filled()
    const order: string[] = []
    const first = store.bulkWrite(async (tx) => {
      tx.delete('t', 1)
      await turn()
      expect(errorOf(() => store.write(() => undefined)).code).toBe('BUSY')
      order.push('first')
    })
    const second = store.bulkWrite(async (tx) => {
      expect(tx.get('t', 1)).toBeUndefined()
      tx.delete('t', 2)
      order.push('second')
    })
    await Promise.all([first, second])
    expect([order, store.table('t').rowCount]).toEqual([['first', 'second'], 98])
  })

  test('what it handed out is of no use once it has ended', async () => {
    const store = filled()
    const leaked = {} as { tx: Transaction; writer: TableWriter; table: Table }
    await store.bulkWrite(
      async (tx) => void Object.assign(leaked, { tx, writer: tx.writer('t'), table: tx.table('t') }),
    )
    const before = heapDigest(store)
    expect(errorOf(() => leaked.tx.delete('t', 1)).code).toBe('NO_TRANSACTION')
    expect(errorOf(() => leaked.table.get(1)).code).toBe('CLOSED')
    expect(() =>
      store.write((tx) => {
        expect(errorOf(() => leaked.writer.insert({ id: 500, text: 'the text of row 5' })).code).toBe('CLOSED')
        expect(errorOf(() => leaked.writer.update(5, { text: 'the text of row 6' })).code).toBe('CLOSED')
        expect(errorOf(() => leaked.writer.delete(5)).code).toBe('CLOSED')
        expect(tx.table('t').rowCount).toBe(100)
        throw ABORT
      }),
    ).toThrow(ABORT)
    expect(heapDigest(store)).toBe(before)
  })
})
