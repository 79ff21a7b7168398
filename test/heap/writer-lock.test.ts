import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeIdentity, ownIdentity, parseIdentity, stateOf } from '../../src/heap/process-identity'
import { acquireWriterLock } from '../../src/heap/writer-lock'
import { errorOf } from '../support/store'
import { LockHolder } from './support/lock-holder'
import { nativeMemory, temporaryFolder } from './support/memories'

const isLinux = process.platform === 'linux'
const KINDS = ['native', 'plain'] as const
const PAIRS = KINDS.flatMap((first) => KINDS.map((second) => [first, second] as const))

const newPath = (): string => join(temporaryFolder(), 'heap.lock')

const lockOf = { native: (path: string) => nativeMemory().lock(path), plain: (path: string) => acquireWriterLock(path) }

/** Files that show a lock without the kernel. */
function claimsOf(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}-`))
}

/** The pid of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

const dead = () => ({ ...ownIdentity(), pid: deadPid() })

describe.each(PAIRS)('%s and %s memory', (first, second) => {
  test('exclude each other, name the holder, and go one after the other', async () => {
    const path = newPath()
    const [one, other] = await Promise.all([LockHolder.start(first), LockHolder.start(second)])
    for (let round = 0; round < 3; round++) {
      expect(await one.lock(path)).toBe('held')
      const refusal = await other.answerTo(path)
      expect(refusal).toMatch(/^LOCKED /)
      expect(refusal).toContain(`process ${one.pid} `)
      expect(refusal).not.toContain('delete')
      await one.release()
      expect(await other.lock(path)).toBe('held')
      expect(await one.lock(path)).toBe('LOCKED')
      await other.release()
    }
    expect(claimsOf(path)).toEqual([])
  })

  test('the second gets the lock of the first once that was killed', async () => {
    const path = newPath()
    const [one, other] = await Promise.all([LockHolder.start(first), LockHolder.start(second)])
    expect(await one.lock(path)).toBe('held')
    await one.kill()
    expect(await other.lock(path)).toBe('held')
    expect(claimsOf(path)).toHaveLength(second === 'plain' ? 1 : 0)
    await other.release()
    expect(await (await LockHolder.start(first)).lock(path)).toBe('held')
  })

  test('exclude each other within one process', () => {
    const path = newPath()
    const lock = lockOf[first](path)
    const error = errorOf(() => lockOf[second](path))
    expect([error.code, error.details]).toEqual(['LOCKED', { path, pid: process.pid }])
    lock.release()
    lock.release()
    lockOf[second](path).release()
  })
})

test('of many processes of both kinds that ask at the same time, exactly one gets the lock', async () => {
  const folder = temporaryFolder()
  const holders = await Promise.all([...KINDS, ...KINDS, 'plain'].map((kind) => LockHolder.start(kind)))
  for (let round = 0; round < 30; round++) {
    const path = join(folder, `lock-${round}`)
    if (round % 2 === 0) writeFileSync(`${path}-0123456789ab`, encodeIdentity(dead()))
    if (round % 3 === 0) writeFileSync(path, encodeIdentity(dead()))
    const answers = await Promise.all(holders.map((holder) => holder.lock(path)))
    expect(answers.sort()).toEqual(['LOCKED', 'LOCKED', 'LOCKED', 'LOCKED', 'held'])
  }
})

test.each(KINDS)('a lock of %s memory is held until its file is removed, renamed or replaced', (kind) => {
  const losses = [
    unlinkSync,
    (file: string) => renameSync(file, `${file}-moved`),
    (file: string) => {
      writeFileSync(`${file}.new`, readFileSync(file))
      renameSync(`${file}.new`, file)
    },
  ]
  for (const lose of losses) {
    const lock = lockOf[kind](newPath())
    expect(lock.isHeld()).toBe(true)
    lose(lock.path)
    expect(lock.isHeld()).toBe(false)
    lock.release()
  }
  const lock = lockOf[kind](newPath())
  lock.release()
  expect(lock.isHeld()).toBe(false)
})

test.each(KINDS)('a lock of %s memory that is discarded leaves nothing', (kind) => {
  const path = newPath()
  lockOf[kind](path).release(true)
  expect(readdirSync(dirname(path))).toEqual([])
})

test.runIf(process.platform !== 'win32')('files are made with the given permissions', () => {
  const path = newPath()
  const locks = [nativeMemory().lock(path)]
  expect(statSync(path).mode & 0o777).toBe(0o600)
  locks[0].release()
  locks.push(acquireWriterLock(path, {}, 0o640))
  expect(statSync(locks[1].path).mode & 0o777).toBe(0o640)
  locks[1].release()
})

test('where the kernel locks no files, a claim is made', () => {
  const path = newPath()
  const refusing = {
    lockFile: () => {
      throw new Error('ENOLCK')
    },
  }
  const lock = acquireWriterLock(path, refusing)
  expect(claimsOf(path)).toEqual([basename(lock.path)])
  expect(errorOf(() => nativeMemory().lock(path)).code).toBe('LOCKED')
  lock.release()
})

test('a lock file that is replaced before it is locked is opened again', () => {
  const path = newPath()
  let calls = 0
  const lockFile = (fd: number): boolean => {
    if (calls++ === 0) unlinkSync(path)
    return nativeMemory().lockFile!(fd)
  }
  const lock = acquireWriterLock(path, { lockFile })
  expect([calls, lock.isHeld()]).toEqual([2, true])
  lock.release()
  const always = (): boolean => {
    unlinkSync(path)
    return true
  }
  expect(errorOf(() => acquireWriterLock(path, { lockFile: always })).code).toBe('LOCKED')
})

test('a claim gives way to one with a smaller name and stands against one with a greater', () => {
  const path = newPath()
  writeFileSync(`${path}-000000000000`, encodeIdentity(ownIdentity()))
  const fd = openSync(`${path}-000000000000`, 'r') // as whoever made it has
  onTestFinished(() => closeSync(fd))
  expect(errorOf(() => acquireWriterLock(path)).code).toBe('LOCKED')
  expect(claimsOf(path)).toEqual(['heap.lock-000000000000'])
  renameSync(`${path}-000000000000`, `${path}-ffffffffffff`)
  expect(errorOf(() => acquireWriterLock(path)).code).toBe('LOCKED')
  expect(claimsOf(path)).toEqual(['heap.lock-ffffffffffff'])
})

test.runIf(isLinux).each(KINDS)('a claim of a thread that was ended keeps nobody of %s memory out', async (kind) => {
  const path = newPath()
  const claim = `${path}-000000000000`
  const worker = new Worker(
    `const { parentPort, workerData: { claim, text } } = require('node:worker_threads')
     const { openSync, writeSync } = require('node:fs')
     writeSync(openSync(claim, 'wx'), text)
     parentPort.postMessage('claimed')
     setInterval(() => undefined, 1000)`,
    { eval: true, workerData: { claim, text: encodeIdentity(ownIdentity()).toString() } },
  )
  await once(worker, 'message')
  expect(errorOf(() => lockOf[kind](path)).code).toBe('LOCKED')
  await worker.terminate()
  lockOf[kind](path).release()
  expect(claimsOf(path)).toEqual([])
})

test.each(KINDS)('what a power cut leaves of lock files keeps nobody of %s memory out', (kind) => {
  const path = newPath()
  writeFileSync(path, Buffer.alloc(512))
  writeFileSync(`${path}-0123456789ab`, '')
  writeFileSync(`${path}-0123456789ac`, Buffer.alloc(512))
  lockOf[kind](path).release()
  expect(claimsOf(path)).toEqual([])
})

test.each(KINDS)('a claim that %s memory does not understand is respected, and the remedy names it', (kind) => {
  for (const text of ['hello world\n', '12\n', '{"pid":-5}', '[]', JSON.stringify({ ...ownIdentity(), pid: '1' })]) {
    const path = newPath()
    const claim = `${path}-0123456789ab`
    writeFileSync(claim, text)
    const error = errorOf(() => lockOf[kind](path))
    expect([error.code, error.message]).toEqual(['LOCKED', expect.stringContaining(`delete ${claim}.`)])
    expect(readFileSync(claim, 'utf8')).toBe(text)
  }
})

test('a text in the lock file of the kernel that plain memory does not understand is respected, but not by native memory', () => {
  const path = newPath()
  writeFileSync(path, '12345\n')
  expect(errorOf(() => acquireWriterLock(path)).message).toContain(`delete ${path}.`)
  expect(claimsOf(path)).toEqual([])
  nativeMemory().lock(path).release()
  acquireWriterLock(path).release()
})

test('releasing removes no claim of another process', () => {
  const path = newPath()
  const lock = acquireWriterLock(path)
  const other = `${path}-0123456789ab`
  writeFileSync(other, encodeIdentity(ownIdentity()))
  lock.release()
  expect(existsSync(other)).toBe(true)
})

test.runIf(isLinux)('only a process that has provably ended counts as ended', () => {
  const self = ownIdentity()
  const child = deadPid()
  expect(stateOf(self)).toBe('running')
  expect(stateOf({ ...self, pid: process.ppid, started: self.started - 1 })).toBe('ended') // another has its pid by now
  expect(stateOf({ ...self, started: self.started - 1 })).toBe('ended')
  expect(stateOf({ ...self, pid: child })).toBe('ended')
  const elsewhere = { ...self, pid: child, namespaces: 'pid:[1] time:[1]' }
  expect(stateOf(elsewhere)).toBe('unknown')
  expect(stateOf({ ...elsewhere, boot: 'another' })).toBe('ended') // the same host, started again
  expect(stateOf({ ...elsewhere, boot: 'another', host: 'other' })).toBe('unknown')
  expect(stateOf({ ...elsewhere, boot: '' })).toBe('unknown')
})

test('an identity takes the same space whatever it says, and is read as it was written', () => {
  const long = { ...ownIdentity(), pid: 2 ** 31, host: 'h'.repeat(100) }
  expect(encodeIdentity(long)).toHaveLength(encodeIdentity(ownIdentity()).length)
  expect(parseIdentity(encodeIdentity(long).toString())).toEqual(long)
})

test('every thread of a process has the same identity, so none takes over the lock of another', async () => {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const { readFileSync } = require('node:fs')
     const isLinux = process.platform === 'linux'
     parentPort.postMessage(isLinux ? Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[19])
       : Number(process.hrtime.bigint() / 1000000n) - process.uptime() * 1000)`,
    { eval: true },
  )
  const started = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await worker.terminate()
  expect(Math.abs(started - ownIdentity().started)).toBeLessThan(isLinux ? 1 : 1000)
})

/**
 * A command that runs another in a pid namespace of its own, as a container is; undefined where that is not permitted.
 */
const inNamespace = ['unshare', '-pf', '--mount-proc', '--kill-child']
const hasNamespaces = isLinux && spawnSync(inNamespace[0], [...inNamespace.slice(1), 'true']).status === 0

describe.skipIf(!hasNamespaces)(
  `pid namespaces of one host${hasNamespaces ? '' : ' (this process may make none)'}`,
  () => {
    test.each(PAIRS)('%s and %s memory exclude each other across them', async (first, second) => {
      const path = newPath()
      const [one, other] = await Promise.all([LockHolder.start(first, inNamespace), LockHolder.start(second)])
      expect(await one.lock(path)).toBe('held')
      expect(await other.lock(path)).toBe('LOCKED')
      await one.release()
      expect(await other.lock(path)).toBe('held')
      expect(await one.lock(path)).toBe('LOCKED')
      expect(await (await LockHolder.start(first, inNamespace)).lock(path)).toBe('LOCKED')
    })

    test('a claim of a process that was killed in another one stays, and the remedy names it', async () => {
      const path = newPath()
      const one = await LockHolder.start('plain', inNamespace)
      expect(await one.lock(path)).toBe('held')
      await one.kill()
      for (const kind of KINDS) {
        const error = errorOf(() => lockOf[kind](path))
        const claim = join(dirname(path), claimsOf(path)[0])
        expect(error.message).toMatch(/ process \d+ of another container has the file open for writing\./)
        expect(error.message).toContain(`If no such process exists any more, delete ${claim}.`)
      }
      unlinkSync(join(dirname(path), claimsOf(path)[0]))
      for (const kind of KINDS) lockOf[kind](path).release()
    })

    test('where /proc is that of another namespace, no process is taken for another with its pid', async () => {
      const path = newPath()
      const keepsShell = ['unshare', '-pf', '--kill-child', 'sh', '-c', '"$@"; true', 'sh']
      const holder = await LockHolder.start('plain', keepsShell)
      const other = newPath()
      expect(await holder.lock(other)).toBe('held')
      const identity = JSON.parse(readFileSync(join(dirname(other), claimsOf(other)[0]), 'utf8'))
      // pid 1 runs, the shell; /proc tells when the first process of this machine started
      writeFileSync(`${path}-0123456789ab`, JSON.stringify({ ...identity, pid: 1, started: 123_456_789 }))
      expect(await holder.lock(path)).toBe('LOCKED')
      writeFileSync(`${path}-0123456789ab`, JSON.stringify({ ...identity, pid: 999_999 }))
      expect(await holder.lock(path)).toBe('held')
    })
  },
)
