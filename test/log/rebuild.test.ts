import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { verify } from '../../src/db/verify'
import { open } from '../../src/entity/database'
import { ROOT_SLOT_OFFSETS } from '../../src/heap/file-format'
import { nodeFiles } from '../../src/heap/files'
import { BLOCK_BYTES } from '../../src/heap/layout'
import { PoolFile } from '../../src/heap/pool-file'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore, rejectionOf, rowsOf, temporaryPath } from '../support/store'

const memory = nativeMemory()

/** A database with two checkpoints, at versions 12 and 22, and commits up to version 32. */
async function built(): Promise<string> {
  const path = temporaryPath()
  const store = fileStore(path, { segmentBytes: 1 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  for (let id = 0; id < 30; id++) {
    store.write((tx) => tx.insert('t', { id }))
    if (id === 9 || id === 19) await store.checkpoint()
  }
  await closeChecked(store)
  return path
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 1
  writeFileSync(path, bytes)
}

function newestRoot(path: string) {
  const file = PoolFile.open(memory, nodeFiles, path, false)
  file.close()
  return file.root
}

function damageNewestMap(path: string): void {
  flip(path, newestRoot(path).mapBlock * BLOCK_BYTES + 3)
}

test('a damaged map of the newest state is rebuilt from the state before and the log, and the file is whole afterwards', async () => {
  const path = await built()
  damageNewestMap(path)
  for (const error of [errorOf(() => fileStore(path)), await rejectionOf(verify(path))]) {
    expect(error).toMatchObject({ code: 'CORRUPT', details: { path, version: 22, wholeVersion: 12 } })
    expect(error.message).toMatch(/version 12 before it is whole: open it with \{ recovery: 'rebuild' \}/)
  }
  const reader = fileStore(path, { readOnly: true, recovery: 'rebuild' })
  expect([reader.version, rowsOf(reader.table('t')).length]).toEqual([32, 30])
  await closeChecked(reader)
  expect((await rejectionOf(verify(path))).code).toBe('CORRUPT') // reading repairs nothing

  const database = await open(path, { memory, recovery: 'rebuild' })
  expect([database.version, database.table('t').rowCount]).toEqual([32, 30])
  expect(database.check().problems).toEqual([])
  expect(await verify(path)).toMatchObject({ version: 32, savedVersion: 32, states: 2 })
  database.write((tx) => tx.insert('t', { id: 30 }))
  await database.close()
  const again = fileStore(path)
  expect([again.version, rowsOf(again.table('t')).length]).toEqual([33, 31])
})

test('a process that ends before the rebuilt state is saved leaves what can be rebuilt again', async () => {
  const path = await built()
  damageNewestMap(path)
  const store = fileStore(path, { recovery: 'rebuild' })
  store.write((tx) => tx.insert('t', { id: 30 }))
  await closeChecked(store)
  expect(errorOf(() => fileStore(path)).message).toContain("recovery: 'rebuild'")
  const again = await open(path, { memory, recovery: 'rebuild' })
  expect(again.version).toBe(33)
  await again.close()
  expect((await verify(path)).version).toBe(33)
})

test('a damaged root slot needs no option where the log leads on from the other root; verify tells of it', async () => {
  const path = await built()
  flip(path, ROOT_SLOT_OFFSETS[newestRoot(path).sequence & 1] + 8)
  expect((await rejectionOf(verify(path))).message).toMatch(/root at byte \d+ is torn/)
  const store = fileStore(path)
  expect([store.version, rowsOf(store.table('t')).length]).toEqual([32, 30])
  await store.checkpoint()
  expect((await verify(path)).version).toBe(32)
})

test('where the log does not lead to the damaged state, rebuilding says what would be lost, and cutting gives it up', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'none' })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  for (let id = 0; id < 5; id++) store.write((tx) => tx.insert('t', { id }))
  await store.checkpoint()
  await closeChecked(store)
  damageNewestMap(path)
  const error = errorOf(() => fileStore(path, { recovery: 'rebuild' }))
  expect(error).toMatchObject({ code: 'CORRUPT', details: { version: 2, lostVersion: 7 } })
  expect(error.message).toMatch(/log leads to version 2 only.*recovery: 'cut'.*give up versions 3 to 7/)
  const database = await open(path, { memory, recovery: 'cut' })
  expect([database.version, database.table('t').rowCount]).toEqual([2, 0])
  database.write((tx) => tx.insert('t', { id: 77 }))
  await database.close()
  const again = fileStore(path)
  expect(rowsOf(again.table('t'))).toEqual([{ id: 77 }])
  expect((await verify(path)).version).toBe(3)
})

test('commits behind a gap of the log are given up with the damaged state, and kept aside', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  await store.bulkWrite(
    async (tx) => {
      for (let id = 0; id < 5; id++) tx.insert('t', { id })
    },
    { log: false },
  )
  store.write((tx) => tx.insert('t', { id: 5 }))
  await closeChecked(store)
  damageNewestMap(path)
  expect(errorOf(() => fileStore(path, { recovery: 'rebuild' })).code).toBe('CORRUPT')
  const database = await open(path, { memory, recovery: 'cut' })
  expect([database.version, database.table('t').rowCount]).toEqual([2, 0])
  expect(database.recovery.damaged?.path).toContain('.damaged')
  await database.close()
  expect((await verify(path)).version).toBe(2)
})

test('a missing file is not given up with its log', async () => {
  const path = await built()
  const bytes = readFileSync(path)
  rmSync(path)
  for (const recovery of ['rebuild', 'cut'] as const)
    expect(errorOf(() => fileStore(path, { recovery })).code).toBe('CORRUPT')
  writeFileSync(path, bytes)
  expect(fileStore(path).version).toBe(32)
})

test('a file that was made shorter is no torn save: opening says so, and it is rebuilt like damage', async () => {
  const path = await built()
  truncateSync(path, (newestRoot(path).fileBlocks - 1) * BLOCK_BYTES)
  const error = errorOf(() => fileStore(path))
  expect(error.code).toBe('CORRUPT')
  expect(error.message).toMatch(/shorter than its state of version 22.*recovery: 'rebuild'/)
  const database = await open(path, { memory, recovery: 'rebuild' })
  expect(database.version).toBe(32)
  await database.close()
  expect((await verify(path)).version).toBe(32)
})

test('a save, and a follower, notice that the file was made shorter while it was open', async () => {
  const path = await built()
  const store = fileStore(path)
  const follower = fileStore(path, { follow: true })
  const failures: string[] = []
  follower.following!.on('failure', (error) => failures.push(error.message))
  const whole = readFileSync(path)
  truncateSync(path, (newestRoot(path).fileBlocks - 1) * BLOCK_BYTES)
  expect(errorOf(() => store.write((tx) => tx.insert('t', { id: 30 }))).code).toBe('CORRUPT')
  const error = await rejectionOf(store.checkpoint())
  expect(error.code).toBe('CORRUPT')
  expect(error.message).toMatch(/was truncated while the database was open/)
  while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(failures[0]).toMatch(/made shorter while it was open/)
  writeFileSync(path, whole, { flag: 'r+' }) // or checking what is mapped would end this process
})
