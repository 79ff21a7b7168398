import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { restore } from '../../src/db/points'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { realWorld } from '../../src/heap/world'
import { nativeMemory, temporaryFolder } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore } from '../support/store'
import { segmentsOf } from './support/damage'
import { StoreOverFiles } from './support/store-over-files'
import { simulatedWorld } from './support/world'

const TABLE = { key: 'id', columns: { id: 'integer', text: 'string' } } as const

/** A database with three commits, of which the first two are in its file, closed. */
async function original(path: string): Promise<void> {
  mkdirSync(join(path, '..'))
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', TABLE))
  await store.checkpoint()
  await closeChecked(store)
}

function put(store: Store, id: number, text: string): void {
  store.write((tx) => tx.upsert('t', { id, text }))
}

function rows(store: Store): Record<string, unknown> {
  const table = store.table('t')
  return Object.fromEntries([...table.rows()].map((row) => [table.read(row).id, table.read(row).text]))
}

/**
 * Two copies of one database that have gone on apart: `a` with `ofA` commits and a checkpoint, `b` with `ofB` commits.
 */
async function apart(ofA: number, ofB: number): Promise<{ a: string; b: string }> {
  const folder = temporaryFolder()
  const [a, b] = [join(folder, 'a', 'x.heap'), join(folder, 'b', 'x.heap')]
  await original(a)
  cpSync(join(folder, 'a'), join(folder, 'b'), { recursive: true })
  const first = fileStore(a)
  for (let id = 0; id < ofA; id++) put(first, id, `a ${id}`)
  await first.checkpoint()
  await closeChecked(first)
  const second = fileStore(b)
  for (let id = 0; id < ofB; id++) put(second, id, `b ${id}`)
  await closeChecked(second)
  return { a, b }
}

test.each([
  ['longer', 4, 8],
  ['of the same length', 4, 4],
  ['shorter', 8, 4],
])('a file is not opened with the log of another history, which is %s', async (_, ofA, ofB) => {
  const { a, b } = await apart(ofA, ofB)
  copyFileSync(a, b)
  for (const options of [{}, { readOnly: true }, { follow: true }]) {
    const error = errorOf(() => Store.open(b, { memory: nativeMemory(), ...options }))
    expect(error.code).toBe('CORRUPT')
    expect(error.message).toContain(b)
    expect(error.message).toContain(`${b}.log`)
  }
  // moving the folder away goes on from the file, as the message says
  renameSync(`${b}.log`, `${b}.log.away`)
  const store = fileStore(b)
  expect(rows(store)).toEqual(Object.fromEntries(Array.from({ length: ofA }, (_, id) => [id, `a ${id}`])))
  put(store, 100, 'on')
  await closeChecked(store)
  expect(rows(fileStore(b, { readOnly: true }))[100]).toBe('on')
})

test('a log of another history is given up when that is asked for, and kept under other names', async () => {
  const { a, b } = await apart(4, 8)
  copyFileSync(a, b)
  const store = fileStore(b, { recovery: 'cut' })
  expect(Object.keys(rows(store))).toHaveLength(4)
  expect(store.recovery.damaged?.path).toContain('.damaged')
  put(store, 100, 'on')
  await closeChecked(store)
  const again = fileStore(b)
  expect(rows(again)).toMatchObject({ 0: 'a 0', 100: 'on' })
})

test('a restored state is not undone by the log of the database that it replaces', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'x', 'x.heap')
  await original(path)
  const store = fileStore(path)
  for (let id = 0; id < 5; id++) put(store, id, `${id}`)
  await closeChecked(store)
  const restored = join(folder, 'restored.heap')
  expect(await restore(path, { to: 3, into: restored })).toBe(3)
  copyFileSync(restored, path)
  expect(errorOf(() => fileStore(path)).code).toBe('CORRUPT')
  rmSync(`${path}.log`, { recursive: true })
  expect(rows(fileStore(path))).toEqual({ 0: '0' })
})

test('a saved copy is continued by the log that leads on from it', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'x', 'x.heap')
  await original(path)
  const store = fileStore(path)
  put(store, 1, 'one')
  await store.saveAs(join(folder, 'copy.heap'))
  put(store, 2, 'two')
  await closeChecked(store)
  copyFileSync(join(folder, 'copy.heap'), path)
  expect(rows(fileStore(path))).toEqual({ 1: 'one', 2: 'two' })
})

test('a file that is opened for writing without its log begins a timeline, to which its former log does not belong', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'x', 'x.heap')
  await original(path)
  const store = fileStore(path)
  for (let id = 0; id < 3; id++) put(store, id, `${id}`)
  await closeChecked(store)
  renameSync(`${path}.log`, join(folder, 'former'))
  const other = fileStore(path)
  put(other, 0, 'other')
  await other.checkpoint()
  put(other, 1, 'other')
  await closeChecked(other)
  rmSync(`${path}.log`, { recursive: true })
  renameSync(join(folder, 'former'), `${path}.log`)
  expect(errorOf(() => fileStore(path)).code).toBe('CORRUPT')
})

test('segments of two histories in one folder are told apart', async () => {
  const { a, b } = await apart(6, 6)
  for (const name of readdirSync(`${b}.log`)) copyFileSync(join(`${b}.log`, name), join(`${a}.log`, `${name}.other`))
  const store = fileStore(a)
  expect(rows(store)).toMatchObject({ 0: 'a 0' }) // other names are not looked at
  await closeChecked(store)
  const [own] = segmentsOf(a)
  copyFileSync(`${own}.other`, own!)
  expect(errorOf(() => fileStore(a)).code).toBe('CORRUPT')
})

test('any file with any log gives a state of the history of the file, or an error', async () => {
  const step = fc.record({
    kind: fc.constantFrom('commit', 'commit', 'save', 'compact', 'reopen', 'bulk', 'none'),
    id: fc.nat(5),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 6 }),
      fc.array(step, { maxLength: 8 }),
      fc.array(step, { maxLength: 8 }),
      async (before, ofA, ofB) => {
        const folder = temporaryFolder()
        const paths = ['a', 'b'].map((name) => join(folder, name, 'x.heap'))
        await original(paths[0]!)
        await live(paths[0]!, before, 'before', new Map())
        cpSync(join(folder, 'a'), join(folder, 'b'), { recursive: true })
        const states = [new Map<number, string>(), new Map<number, string>()]
        await live(paths[0]!, ofA, 'a', states[0]!)
        await live(paths[1]!, ofB, 'b', states[1]!)
        for (const [i, path] of paths.entries()) {
          const mixed = join(folder, `mixed-${i}.heap`)
          copyFileSync(path, mixed)
          cpSync(`${paths[1 - i]}.log`, `${mixed}.log`, { recursive: true })
          expectOneOf(mixed, states)
        }
      },
    ),
    { numRuns: 40 },
  )
}, 300_000)

/** Does what is told with a database; notes the state after each version. */
async function live(
  path: string,
  steps: readonly { kind: string; id: number }[],
  name: string,
  states: Map<number, string>,
) {
  let store = Store.open(path, { memory: nativeMemory() })
  const note = () => states.set(store.version, JSON.stringify(rows(store)))
  note()
  for (const [i, { kind, id }] of steps.entries()) {
    if (kind === 'save') await store.checkpoint()
    else if (kind === 'compact') await store.compact()
    else if (kind === 'reopen') {
      await store.close()
      store = Store.open(path, { memory: nativeMemory(), segmentBytes: 1 })
    } else if (kind === 'bulk')
      await store.bulkWrite(async (tx) => tx.upsert('t', { id, text: `${name} ${i}` }), { log: false })
    else if (kind === 'none') {
      await store.setDurability('none')
      put(store, id, `${name} ${i}`)
      note()
      await store.setDurability('commit')
    } else put(store, id, `${name} ${i}`)
    note()
  }
  await closeChecked(store)
}

function expectOneOf(path: string, states: readonly Map<number, string>[]): void {
  let store: Store
  try {
    store = Store.open(path, { memory: nativeMemory() })
  } catch (error) {
    expect((error as SnapheapError).code).toBe('CORRUPT')
    return
  }
  try {
    expect(store.check().problems).toEqual([])
    expect(states.map((each) => each.get(store.version))).toContain(JSON.stringify(rows(store)))
  } finally {
    void store.close()
  }
}

test('a follower does not go on with the log of another history, however often it looks', async () => {
  const { a, b } = await apart(4, 8)
  copyFileSync(b, `${b}.own`)
  const { elapsedMs } = simulatedWorld(Math.random)
  const follower = StoreOverFiles.over(b, { follow: true, memory: nativeMemory(), world: { ...realWorld, elapsedMs } })
  onTestFinished(() => follower.close())
  const failures: SnapheapError[] = []
  follower.following!.on('failure', (error) => failures.push(error))
  const last = { 0: 'b 0', 7: 'b 7' }
  expect(rows(follower)).toMatchObject(last)
  copyFileSync(a, `${b}.other`)
  renameSync(`${b}.other`, b)
  const saved = Object.fromEntries(Array.from({ length: 4 }, (_, id) => [id, `a ${id}`]))
  for (let i = 0; i < 6; i++) {
    follower.following!.look()
    expect(rows(follower)).toEqual(i < 1 ? expect.anything() : saved)
    expect(follower.check().problems).toEqual([])
  }
  expect(failures.map(({ code }) => code)).toEqual(['CORRUPT'])
  renameSync(`${b}.own`, b)
  for (let i = 0; i < 3; i++) follower.following!.look()
  expect(rows(follower)).toMatchObject(last)
})

test('a file gets a new id with each rewrite and keeps the id of its heap', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'x', 'x.heap')
  await original(path)
  const store = fileStore(path)
  const before = readFileSync(path)
  await store.compact()
  const after = readFileSync(path)
  expect(after.subarray(16, 32)).toEqual(before.subarray(16, 32))
  expect(after.subarray(40, 56)).not.toEqual(before.subarray(40, 56))
})

test('features that this build does not know are refused as their kind says', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'x', 'x.heap')
  await original(path)
  const memory = nativeMemory()
  const flagged = (file: string, at: number, from: number, checksumAt: number): void => {
    const bytes = readFileSync(file)
    bytes[at] ^= 1
    bytes.writeUInt32LE(memory.crc32c(bytes.subarray(from, checksumAt)), checksumAt)
    writeFileSync(file, bytes)
  }
  const kinds = { compatible: [], readOnlyCompatible: ['writing'], incompatible: ['writing', 'reading'] }
  const log = segmentsOf(path)[0]!
  for (const [file, first, from, checksumAt] of [
    [path, 56, 36, 124],
    [log, 72, 48, 92],
  ] as const) {
    for (const [i, refused] of Object.values(kinds).entries()) {
      flagged(file, first + i * 4, from, checksumAt)
      for (const [how, options] of [
        ['writing', {}],
        ['reading', { readOnly: true }],
      ] as const) {
        if (refused.includes(how as never))
          expect(errorOf(() => Store.open(path, { memory, ...options }))).toMatchObject({ code: 'VERSION' })
        else await Store.open(path, { memory, ...options }).close()
      }
      flagged(file, first + i * 4, from, checksumAt)
    }
  }
})
