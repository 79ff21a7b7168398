import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { acquirePidLock } from '../../src/heap/pid-lock'
import { LockHolder } from './support/lock-holder'
import { temporaryFolder } from './support/memories'

/** The pid of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

test('a lock whose process is gone is taken over, and nothing but the new lock is left', () => {
  const path = join(temporaryFolder(), 'lock')
  writeFileSync(path, `${deadPid()} 1\n`)
  const lock = acquirePidLock(path)
  expect(Number.parseInt(readFileSync(path, 'utf8'), 10)).toBe(process.pid)
  expect(existsSync(`${path}.takeover`)).toBe(false)
  lock.release()
  expect(existsSync(path)).toBe(false)
})

test('a lock left by an earlier process that had the same pid is taken over', () => {
  const path = join(temporaryFolder(), 'lock')
  writeFileSync(path, `${process.pid} -100000\n`)
  acquirePidLock(path).release()
})

test('every thread of a process computes the same start, so none takes over the lock of another', async () => {
  const path = join(temporaryFolder(), 'lock')
  const lock = acquirePidLock(path)
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     parentPort.postMessage(Number(process.hrtime.bigint() / 1000000n) - process.uptime() * 1000)`,
    { eval: true },
  )
  const startedMs = await new Promise<number>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  )
  await worker.terminate()
  const written = Number(readFileSync(path, 'utf8').split(' ')[1])
  expect(Math.abs(written - startedMs)).toBeLessThan(1000)
  lock.release()
})

test.each([
  ['an empty file', ''],
  ['a foreign text', 'hello world\n'],
  ['a pid of no process', '-5 1\n'],
])('%s in the place of the lock is respected and the remedy names it', (_what, text) => {
  const path = join(temporaryFolder(), 'lock')
  writeFileSync(path, text)
  expect(() => acquirePidLock(path)).toThrow(`delete ${path}`)
  expect(readFileSync(path, 'utf8')).toBe(text)
})

test('a takeover left unfinished is respected and the remedy names it', () => {
  const path = join(temporaryFolder(), 'lock')
  writeFileSync(path, `${deadPid()} 1\n`)
  writeFileSync(`${path}.takeover`, `${deadPid()} 1\n`)
  expect(() => acquirePidLock(path)).toThrow(`delete ${path}.takeover`)
})

test('releasing does not remove the lock of another process', () => {
  const path = join(temporaryFolder(), 'lock')
  const lock = acquirePidLock(path)
  writeFileSync(path, '1 1\n')
  lock.release()
  expect(existsSync(path)).toBe(true)
})

test('of several processes that find the same stale lock, exactly one gets it', async () => {
  const folder = temporaryFolder()
  const pid = deadPid()
  const holders = [1, 2, 3].map(() => new LockHolder('plain'))
  for (let round = 0; round < 30; round++) {
    const path = join(folder, `lock-${round}`)
    writeFileSync(path, `${pid} 1\n`)
    const answers = await Promise.all(holders.map((holder) => holder.lock(path)))
    expect(answers.sort()).toEqual(['LOCKED', 'LOCKED', 'held'])
  }
})
