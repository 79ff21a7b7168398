import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { restore } from '../../src/db/points'
import { Store } from '../../src/db/store'
import type { Memory } from '../../src/heap/memory'
import { plainMemory } from '../../src/heap/plain-memory'
import { open } from '../../src/index'
import { nativeMemory } from '../heap/support/memories'
import { bundleOnce } from '../support/bundle-once'
import { bundleProgram, type Output } from '../support/program'
import { closeChecked, errorOf, fileStore, memoryStore, rejectionOf, temporaryPath } from '../support/store'
import { StoreHolder } from './support/store-holder'

const KINDS = ['native', 'plain'] as const
const PAIRS = KINDS.flatMap((first) => KINDS.map((second) => [first, second] as const))
const MEMORY: Record<(typeof KINDS)[number], () => Memory> = { native: nativeMemory, plain: plainMemory }

const program = (name: string): string => fileURLToPath(new URL(`./support/${name}.ts`, import.meta.url))

/** What another process says that opens a database for writing and adds a row. */
async function writeElsewhere(kind: string, path: string, id: number): Promise<string> {
  const bundle = await bundleOnce(program('write-once'))
  return spawnSync(process.execPath, [bundle, kind, path, String(id)], { encoding: 'utf8' }).stdout.trim()
}

function withTable(path: string, kind: (typeof KINDS)[number]): Store {
  const store = fileStore(path, { memory: MEMORY[kind]() })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  return store
}

function idsAt(path: string): unknown[] {
  const store = fileStore(path)
  return Array.from(store.table('t').rows(), (row) => store.table('t').read(row).id)
}

function lockFilesOf(path: string): string[] {
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(`${basename(path)}.lock`))
    .map((name) => join(dirname(path), name))
}

describe.each(PAIRS)('a writer with %s memory and another with %s memory', (first, second) => {
  test('do not write at the same time, and the second may once the first has closed', async () => {
    const path = temporaryPath()
    const store = withTable(path, first)
    expect(await writeElsewhere(second, path, 100)).toMatch(/^LOCKED /)
    store.write((tx) => tx.insert('t', { id: 200 }))
    await closeChecked(store)
    expect(await writeElsewhere(second, path, 300)).toBe('written')
    expect(idsAt(path)).toEqual([200, 300])
  })

  test('the second may write once the first was killed', async () => {
    const path = temporaryPath()
    const holder = await StoreHolder.start(first, path)
    const options = { memory: MEMORY[second]() }
    expect(errorOf(() => Store.open(path, options)).details.pid).toBe(holder.pid)
    await holder.kill()
    const store = fileStore(path, options)
    store.write((tx) => tx.insert('t', { id: 2, pid: 0 }))
    expect(store.table('t').rowCount).toBe(2)
  })

  test.each(['before', 'after'])(
    'lose no acknowledged row where the lock files were removed, %s a checkpoint',
    async (when) => {
      const path = temporaryPath()
      const store = withTable(path, first)
      if (when === 'after') await store.checkpoint()
      for (const file of lockFilesOf(path)) unlinkSync(file)
      const other = await writeElsewhere(second, path, 100)
      expect(other).toMatch(first === 'native' && second === 'native' ? /^LOCKED / : /^written$/)
      const error = errorOf(() => store.write((tx) => tx.insert('t', { id: 200 })))
      expect([error.code, error.message]).toEqual([
        'LOCKED',
        expect.stringMatching(/lock file .* was removed or replaced .* Close it and open it again\.$/),
      ])
      expect((await rejectionOf(store.writeAsync((tx) => tx.insert('t', { id: 201 })))).code).toBe('LOCKED')
      expect((await rejectionOf(store.checkpoint())).code).toBe('LOCKED')
      await store.close()
      expect(idsAt(path)).toEqual(other === 'written' ? [100] : [])
    },
  )
})

test.each(['interval', 'none'] as const)('with durability %s a lost lock is noticed too', async (durability) => {
  const path = temporaryPath()
  const failures: string[] = []
  const store = fileStore(path, { durability, onFailure: ({ code }) => failures.push(code) })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.sync()
  for (const file of lockFilesOf(path)) unlinkSync(file)
  store.write((tx) => tx.insert('t', { id: 1 }))
  expect((await rejectionOf(store.sync())).code).toBe('LOCKED')
  await store.close().catch(({ code }) => failures.push(code)) // with an interval it tells that a commit is lost
  expect(idsAt(path)).toEqual([])
})

test('of processes that open, write and close without end, none loses a row that was acknowledged', async () => {
  const path = temporaryPath()
  const rows = 12
  const { bundle, remove } = await bundleProgram(program('contend-store'))
  onTestFinished(remove)
  const outputs = await Promise.all(
    [...KINDS, ...KINDS, ...KINDS].map(async (kind, number) => {
      const child = spawn(process.execPath, [bundle, kind, path, String(number), String(rows)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      return text(child.stdout!)
    }),
  )
  const acknowledged = outputs.flatMap((output) => output.trim().split('\n').map(Number))
  expect(acknowledged).toHaveLength(6 * rows)
  const table = fileStore(path).table('t')
  const found = Array.from(table.rows(), (row) => table.read(row))
  expect(found.map(({ id }) => id).sort()).toEqual(acknowledged.sort())
  // each process had seen all rows before its own
  expect(found.map(({ before }) => Number(before)).sort((a, b) => a - b)).toEqual(found.map((_, i) => i))
})

test.each(PAIRS)(
  'a file that is open for writing with %s memory is not replaced from %s memory',
  async (first, second) => {
    const path = temporaryPath()
    const target = `${path}.other`
    const held = withTable(target, first)
    await held.checkpoint()
    held.write((tx) => tx.insert('t', { id: 1 }))
    const source = withTable(path, second)
    for (const outcome of [
      source.saveAs(target, { replace: true }),
      restore(path, { to: source.version, into: target, replace: true, memory: MEMORY[second]() }),
    ]) {
      const error = await rejectionOf(outcome)
      expect([error.code, error.details.pid]).toEqual(['LOCKED', process.pid])
    }
    held.write((tx) => tx.insert('t', { id: 2 }))
    await held.checkpoint()
    await closeChecked(held)
    expect(idsAt(target)).toEqual([1, 2])
    expect(readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  },
)

test('no file of another state takes the place of a lock file or a log segment', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  const before = readdirSync(`${path}.log`)
  for (const target of [`${path}.lock`, join(`${path}.log`, before[0]!), join(`${path}.log`, 'other')]) {
    for (const work of [
      store.saveAs(target, { replace: true }),
      restore(path, { to: store.version, into: target, replace: true }),
    ])
      expect(await rejectionOf(work)).toMatchObject({
        code: 'EXISTS',
        message: expect.stringContaining(`of the database ${path}.`),
      })
  }
  expect(readdirSync(`${path}.log`)).toEqual(before)
  store.write((tx) => tx.insert('t', { id: 1 }))
  await store.saveAs(join(dirname(path), 'free.lock'))
})

test('a file that has a log of its own is not replaced, nor is a log given a file that it does not continue', async () => {
  const path = temporaryPath()
  const target = `${path}.other`
  const other = withTable(target, 'native')
  await other.checkpoint()
  await closeChecked(other)
  const source = withTable(path, 'native')
  const expectRefusal = async (): Promise<void> => {
    for (const outcome of [
      source.saveAs(target, { replace: true }),
      restore(path, { to: source.version, into: target, replace: true }),
    ]) {
      const error = await rejectionOf(outcome)
      expect([error.code, error.message]).toEqual([
        'EXISTS',
        `${target} has a log of its own, ${target}.log, which continues only the file that it was made with. Move or remove both, or choose another path.`,
      ])
    }
  }
  await expectRefusal()
  unlinkSync(target)
  await expectRefusal()
  renameSync(`${target}.log`, `${path}-away.log`)
  await source.saveAs(target)
  await source.saveAs(target, { replace: true })
  expect(idsAt(target)).toEqual([])
})

test('saving and restoring over a link mean the file that it leads to, which may be open for writing, or have a log', async () => {
  const path = temporaryPath()
  const [target, link, own] = [`${path}.other`, `${path}.link`, `${path}.own`]
  const other = withTable(target, 'native')
  await other.checkpoint()
  const source = withTable(path, 'native')
  symlinkSync(target, link)
  symlinkSync(path, own)
  const into = (to: string): Promise<unknown>[] => [
    source.saveAs(to, { replace: true }),
    restore(path, { to: source.version, into: to, replace: true }),
  ]
  for (const code of ['LOCKED', 'EXISTS']) {
    for (const outcome of into(link)) expect((await rejectionOf(outcome)).code).toBe(code)
    await closeChecked(other)
  }
  renameSync(`${target}.log`, `${path}-away.log`)
  for (const outcome of into(link)) await outcome
  expect([lstatSync(link).isSymbolicLink(), idsAt(target)]).toEqual([true, []])
  await source.saveAs(own) // its own file
  expect([lstatSync(own).isSymbolicLink(), lstatSync(path).isFile()]).toEqual([true, true])
})

test('a link that leads to a database which has only a log yet is another name of it', async () => {
  const path = temporaryPath()
  const link = `${path}.link`
  symlinkSync(basename(path), link)
  const store = withTable(path, 'native')
  expect(errorOf(() => Store.open(link)).code).toBe('LOCKED')
  store.write((tx) => tx.insert('t', { id: 1 }))
  await closeChecked(store)
  const linked = fileStore(link)
  expect(linked.path).toBe(path)
  linked.write((tx) => tx.insert('t', { id: 2 }))
  await linked.checkpoint()
  await closeChecked(linked)
  expect([lstatSync(link).isSymbolicLink(), idsAt(path)]).toEqual([true, [1, 2]])
})

test('a state is not restored over the file that it is read from, which its log continues', async () => {
  const path = temporaryPath()
  const store = withTable(path, 'native')
  await store.checkpoint()
  const restored = (): Promise<number> => restore(path, { to: store.version, into: path, replace: true })
  expect((await rejectionOf(restored())).code).toBe('LOCKED')
  await closeChecked(store)
  expect((await rejectionOf(restored())).code).toBe('EXISTS')
  expect(idsAt(path)).toEqual([])
})

test('saving leaves no lock file where there was none, and the one that was there', async () => {
  const source = memoryStore()
  for (const hasLock of [false, true]) {
    const target = temporaryPath()
    if (hasLock) writeFileSync(`${target}.lock`, '')
    await source.saveAs(target)
    await source.saveAs(target, { replace: true })
    expect(lockFilesOf(target)).toEqual(hasLock ? [`${target}.lock`] : [])
  }
})

const isPosix = process.platform !== 'win32'
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe.runIf(isPosix)('permissions', () => {
  test.each([
    [undefined, '600', '700'],
    [0o640, '640', '750'],
    [0o664, '664', '775'],
  ])('files made with the mode %s have it, and so their folder', async (fileMode, ofFiles, ofFolders) => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const path = temporaryPath()
    const store = fileStore(path, { ...(fileMode === undefined ? {} : { fileMode }), retain: { log: '1 day' } })
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    await store.checkpoint()
    await store.compact()
    await store.saveAs(`${path}.copy`)
    await restore(path, {
      to: store.version,
      into: `${path}.restored`,
      ...(fileMode === undefined ? {} : { fileMode }),
    })
    const log = readdirSync(`${path}.log`).map((name) => join(`${path}.log`, name))
    expect(log.length).toBeGreaterThan(1)
    for (const file of [path, `${path}.copy`, `${path}.restored`, `${path}.lock`, ...log])
      expect(modeOf(file)).toBe(ofFiles)
    expect(modeOf(`${path}.log`)).toBe(ofFolders)
  })

  test('that are none, or keep the owner out, are refused', async () => {
    for (const fileMode of [0o1600, 0o400, 0o200, 0, -1, 0.5, 0o600 + 0.5, '600' as never]) {
      const error = await rejectionOf(open(temporaryPath(), { fileMode }))
      expect([error.code, error.message]).toEqual([
        'INVALID_ARGUMENT',
        expect.stringMatching(/0o600 or 0o640 as option "fileMode", got/),
      ])
    }
  })

  test('a file that is rewritten keeps its own', async () => {
    const path = temporaryPath()
    const store = withTable(path, 'native')
    await store.checkpoint()
    chmodSync(path, 0o644)
    await store.compact()
    expect(modeOf(path)).toBe('644')
  })
})

/** A command that may mount what only it sees. */
const ownMounts = ['unshare', '-m']
const hasMounts = process.platform === 'linux' && spawnSync(ownMounts[0], [ownMounts[1], 'true']).status === 0

describe.skipIf(!hasMounts)(`read-only media${hasMounts ? '' : ' (this process may mount nothing)'}`, () => {
  /** What a program prints to which a folder is read-only. */
  async function onReadOnly(folder: string, path: string): Promise<Output> {
    const { bundle, remove } = await bundleProgram(program('open-read-only'))
    onTestFinished(remove)
    const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" "$3" "$4"'
    const args = ['sh', '-c', script, 'sh', folder, process.execPath, bundle, path]
    const { status, stdout, stderr } = spawnSync(ownMounts[0], [ownMounts[1], ...args], { encoding: 'utf8' })
    return { exitCode: status, stdout, stderr }
  }

  test('can be read and followed; opening for writing says why it cannot be', async () => {
    const path = temporaryPath()
    const store = withTable(path, 'native')
    store.write((tx) => tx.insert('t', { id: 7 }))
    await store.checkpoint()
    store.write((tx) => tx.insert('t', { id: 8 }))
    await closeChecked(store)
    for (const hasLockFile of [true, false]) {
      if (!hasLockFile) unlinkSync(`${path}.lock`)
      const { stdout, stderr } = await onReadOnly(dirname(path), path)
      expect(stderr).toBe('')
      const refused = ['READ_ONLY', `cannot be opened for writing (EROFS)`, true, true]
      expect(JSON.parse(stdout)).toEqual({
        native: { write: refused, readOnly: [7, 8], follow: [7, 8] },
        plain: { write: refused, readOnly: [7, 8], follow: [7, 8] },
        save: ['IO', 'EROFS'],
      })
    }
  })
})

test('a link that leads to nothing is followed: the database is made where it leads', async () => {
  const path = temporaryPath()
  const link = `${path}.link`
  symlinkSync(path, link)
  const store = withTable(link, 'native')
  store.write((tx) => tx.insert('t', { id: 1 }))
  await store.checkpoint()
  await closeChecked(store)
  expect([lstatSync(link).isSymbolicLink(), lstatSync(path).isFile(), idsAt(path)]).toEqual([true, true, [1]])
})
