import { existsSync, linkSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { MEMORIES } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore, memoryStore, rejectionOf, temporaryPath } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { expectSame } from '../table/support/compare'
import { StoreHolder } from './support/store-holder'

describe.each(MEMORIES.slice(0, 2))('a database in a file on %s memory', (name, makeMemory) => {
  const memory = makeMemory()

  function fill(store: Store, rows = 3000): void {
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
      for (let id = 0; id < rows; id++) tx.insert('t', { id, text: `the text of row ${id}` })
    })
  }

  test('reopened, it has everything that was saved, of every kind, and goes on from there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyCommand, { minLength: 1, maxLength: 30, size: 'max' }), { minLength: 2, maxLength: 4 }),
        async (rounds) => {
          const path = temporaryPath()
          const runner = new CommandRunner(SHAPES)
          let version = 0
          for (const commands of rounds) {
            const store = Store.open(path, { memory, durability: 'none' })
            try {
              if (version > 0) expect(store.version).toBe(version)
              expectSame(store, runner.model)
              store.write((tx) => {
                for (const command of commands)
                  expect(runner.run(tx, command)).toSatisfy((r) => r.expected === r.actual)
              })
              await store.checkpoint()
              version = store.version
              const saved = runner.copy()
              store.write((tx) => {
                for (const command of commands) runner.run(tx, command)
              })
              runner.model = saved
              await closeChecked(store)
            } finally {
              await store.close()
            }
          }
        },
      ),
      { numRuns: 8, interruptAfterTimeLimit: 30_000 },
    )
  })

  test('without a log, what was not saved is gone, what was saved is not', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory, durability: 'none' })
    fill(store, 10)
    await store.checkpoint()
    store.write((tx) => tx.delete('t', 1))
    await closeChecked(store)
    const again = fileStore(path, { memory })
    expect(again.table('t').rowCount).toBe(10)
  })

  test('open for reading it shows what was saved, takes no lock and changes nothing', async () => {
    const path = temporaryPath()
    const writer = fileStore(path, { memory, durability: 'none' })
    expect(errorOf(() => Store.open(path, { memory, readOnly: true })).code).toBe('NOT_FOUND')
    fill(writer, 10)
    await writer.checkpoint()
    writer.write((tx) => tx.delete('t', 1))
    const reader = fileStore(path, { memory, readOnly: true })
    expect([reader.isReadOnly, reader.table('t').rowCount]).toEqual([true, 10])
    const refused = errorOf(() => reader.write(() => undefined))
    expect([refused.code, refused.message]).toEqual(['READ_ONLY', expect.stringContaining(path)])
    expect((await rejectionOf(reader.bulkWrite(async () => undefined))).code).toBe('READ_ONLY')
    expect((await rejectionOf(reader.checkpoint())).code).toBe('READ_ONLY')
    await writer.checkpoint()
    expect(reader.table('t').rowCount).toBe(10)
    await reader.saveAs(`${path}.copy`)
    expect(fileStore(`${path}.copy`, { memory }).table('t').rowCount).toBe(10)
  })

  test('one process at a time writes a file; the other is told the pid and may read', async () => {
    const path = temporaryPath()
    const holder = await StoreHolder.start(name, path)
    const error = errorOf(() => Store.open(path, { memory }))
    expect([error.code, error.details.pid]).toEqual(['LOCKED', holder.pid])
    expect(error.message).toContain(String(holder.pid))
    const reader = fileStore(path, { memory, readOnly: true })
    expect(reader.table('t').get(1)).toEqual({ id: 1, pid: holder.pid })
    await holder.kill()
    const store = fileStore(path, { memory })
    store.write((tx) => tx.insert('t', { id: 2, pid: process.pid }))
    await store.checkpoint()
    expect(store.table('t').rowCount).toBe(2)
  })

  test('a second writer in the same process is LOCKED until the first is closed', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    expect(errorOf(() => Store.open(path, { memory })).code).toBe('LOCKED')
    await closeChecked(store)
    fileStore(path, { memory })
  })

  test('a missing file is an error where it shall not be made, a foreign file always', () => {
    const path = temporaryPath()
    const missing = errorOf(() => Store.open(path, { memory, create: false }))
    expect([missing.code, missing.message]).toEqual(['NOT_FOUND', expect.stringContaining(path)])
    writeFileSync(path, 'no heap, '.repeat(10_000))
    const foreign = errorOf(() => Store.open(path, { memory }))
    expect([foreign.code, foreign.message]).toEqual(['CORRUPT', expect.stringContaining(path)])
    fileStore(`${path}.other`, { memory })
  })

  test('a copy is a database of its own; an existing file is replaced only when told', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    fill(store, 10)
    await store.saveAs(`${path}.copy`)
    const refused = await rejectionOf(store.saveAs(`${path}.copy`))
    expect([refused.code, refused.message]).toEqual(['EXISTS', expect.stringContaining('replace')])
    store.write((tx) => tx.delete('t', 1))
    await store.saveAs(`${path}.copy`, { replace: true })
    expect(fileStore(`${path}.copy`, { memory }).table('t').rowCount).toBe(9)
    const inMemory = memoryStore({ memory })
    expect((await rejectionOf(inMemory.checkpoint())).message).toContain('saveAs(path)')
    fill(inMemory, 5)
    await inMemory.saveAs(`${path}.from-memory`)
    expect(fileStore(`${path}.from-memory`, { memory }).table('t').rowCount).toBe(5)
  })

  test('statistics are true: changed blocks, file and dead blocks, free and never written space', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    expect(store.stats()).toMatchObject({ fileBytes: 0, deadFileBytes: 0, snapshots: [] })
    fill(store)
    const filled = store.stats()
    expect(filled.changedBlocks).toBeGreaterThan(0)
    expect(filled.arenaBytes).toBe(filled.changedBlocks * 32_768)
    expect(filled.usedBytes + filled.freeBytes + filled.neverWrittenBytes).toBe(filled.heapBytes)
    await store.checkpoint()
    const saved = store.stats()
    expect(saved).toMatchObject({ changedBlocks: 0, arenaBytes: 0, retainedBytes: 0, deadFileBlocks: 0 })
    expect(saved.fileBytes).toBe(statSync(path).size)
    expect(saved).toMatchObject({ usedBytes: filled.usedBytes, heapBytes: filled.heapBytes, version: filled.version })
    store.write((tx) => tx.update('t', 5, { text: 'the text of row 6' }))
    const { changedBlocks } = store.stats()
    expect(changedBlocks).toBeGreaterThan(0)
    expect(changedBlocks).toBeLessThan(filled.changedBlocks)
    await store.checkpoint()
    const again = store.stats()
    expect(again.deadFileBlocks).toBeGreaterThanOrEqual(changedBlocks)
    expect(again.deadFileBytes).toBe(again.deadFileBlocks * 32_768)
    expect(again.fileBytes).toBe(statSync(path).size)
    store.write((tx) => tx.dropTable('t'))
    expect(store.stats().usedBytes).toBeLessThan(filled.usedBytes / 5)
  })

  test('commits go on while it is saved, and the file has one version of them', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    fill(store)
    const version = store.version
    const saving = store.checkpoint()
    for (let id = 0; id < 100; id++) {
      store.write((tx) => tx.delete('t', id))
      await new Promise(setImmediate)
    }
    await saving
    expect(store.table('t').rowCount).toBe(2900)
    const reader = fileStore(path, { memory, readOnly: true })
    expect(reader.table('t').rowCount).toBe(3000 - (reader.version - version))
    await store.checkpoint()
    await closeChecked(store)
    expect(fileStore(path, { memory }).table('t').rowCount).toBe(2900)
  })
})

test('without a choice of memory a database opens, in memory and in a file', async () => {
  const path = temporaryPath()
  await using inMemory = Store.open()
  await using inFile = Store.open(path)
  for (const store of [inMemory, inFile]) {
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    expect(store.tableNames).toEqual(['t'])
    expect(store.check()).toMatchObject({ problems: [] })
  }
  expect([inMemory.path, inFile.path]).toEqual([undefined, path])
})

test('a snapshot held for too long is reported once, with its owner', async () => {
  const warnings: (Error & { code?: string })[] = []
  const listen = (warning: Error): void => {
    warnings.push(warning)
  }
  process.on('warning', listen)
  try {
    const store = memoryStore({ snapshotWarningMs: 0 })
    const snapshot = store.snapshot('the report')
    for (let i = 0; i < 3; i++) store.write((tx) => tx.createTable(`t${i}`, { key: 'id', columns: { id: 'integer' } }))
    await new Promise(setImmediate)
    expect(warnings.filter(({ code }) => code === 'SNAPHEAP_PINNED').map(({ message }) => message)).toEqual([
      expect.stringContaining('"the report"'),
    ])
    snapshot.close()
  } finally {
    process.off('warning', listen)
  }
})

describe('a file with another name', () => {
  test('is refused for writing, by both of its names, and can be read', async () => {
    const path = temporaryPath()
    const other = `${path}.copy`
    const store = fileStore(path)
    store.write((tx) => tx.createTable('a', { key: 'id', columns: { id: 'integer' } }))
    await store.checkpoint()
    linkSync(path, other)
    for (const name of [other, path]) {
      if (name === path) await closeChecked(store)
      const error = errorOf(() => Store.open(name))
      expect(error.code).toBe('EXISTS')
      expect(error.message).toMatch(/has another name \(hard links\).* Remove those, or replace them by copies\.$/)
      expect(existsSync(`${other}.lock`)).toBe(false)
    }
    expect(fileStore(other, { readOnly: true }).tableNames).toEqual(['a'])
    unlinkSync(other)
    expect(fileStore(path).tableNames).toEqual(['a'])
  })

  test('may have those that its own log has given it', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { retain: { log: '7 days' } })
    store.write((tx) => tx.createTable('a', { key: 'id', columns: { id: 'integer' } }))
    await store.checkpoint()
    linkSync(path, join(`${path}.log`, '0000000000000001.heap')) // as when a rewrite was cut off before its rename
    await closeChecked(store)
    expect(fileStore(path, { retain: { log: '7 days' } }).tableNames).toEqual(['a'])
  })
})
