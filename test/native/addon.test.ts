import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nativeMemory, temporaryFolder } from '../heap/support/memories'
import { runProgram } from '../support/program'
import { addonBinary, run } from './support/binary'

const WINDOW_BYTES = 2 ** 31
const PAGE = 65536

/** How many ranges of this process's address space view the file. */
function mappingsOf(path: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(path)).length
}

test('windows over 6 GiB of one file each show their part', () => {
  const memory = nativeMemory()
  const fd = openSync(join(temporaryFolder(), 'sparse'), 'w+')
  onTestFinished(() => closeSync(fd))
  ftruncateSync(fd, 3 * WINDOW_BYTES)
  for (let i = 0; i < 3; i++) {
    writeSync(fd, new Uint8Array([i + 1]), 0, 1, i * WINDOW_BYTES)
    writeSync(fd, new Uint8Array([i + 11]), 0, 1, (i + 1) * WINDOW_BYTES - 1)
  }
  const windows = [0, 1, 2].map((i) => new Uint8Array(memory.mapFile(fd, i * WINDOW_BYTES, WINDOW_BYTES)))
  expect(windows.map((bytes) => [bytes[0], bytes[1], bytes[WINDOW_BYTES - 1]])).toEqual([
    [1, 0, 11],
    [2, 0, 12],
    [3, 0, 13],
  ])
  for (const bytes of windows) memory.unmap(bytes.buffer as ArrayBuffer)
})

test.runIf(process.platform === 'linux')('unmap gives the address space back at once', () => {
  const memory = nativeMemory()
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const fd = openSync(path, 'r')
  onTestFinished(() => closeSync(fd))
  const kept = [1, 2, 3].map(() => memory.mapFile(fd, 0, WINDOW_BYTES))
  expect(mappingsOf(path)).toBeGreaterThan(0)
  for (const window of kept) memory.unmap(window)
  expect(mappingsOf(path)).toBe(0)
})

test.runIf(process.platform === 'linux')('a window that is forgotten is unmapped when it is collected', async () => {
  const program = `
    const { openSync, readFileSync } = require('node:fs')
    const addon = require(process.argv[1])
    const fd = openSync(process.argv[2], 'r')
    const count = () => readFileSync('/proc/self/maps', 'utf8').split(process.argv[2]).length - 1
    for (let i = 0; i < 100; i++) addon.mapFile(fd, 0, 4096 * (i + 1))
    const before = count()
    const collect = (turns) => {
      globalThis.gc()
      if (count() === 0 || turns === 0) return console.log(before > 0, count())
      setImmediate(collect, turns - 1)
    }
    setImmediate(collect, 1000)`
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const { output } = run(process.execPath, ['--expose-gc', '-e', program, addonBinary(), path])
  expect(output).toBe('true 0\n')
})

test('the addon throws on wrong arguments of every kind and never crashes', () => {
  const script = fileURLToPath(new URL('./support/abuse.cjs', import.meta.url))
  for (const seed of ['1', '2']) {
    const { status, signal, output } = run(process.execPath, ['--expose-gc', script, addonBinary(), seed, '10000'], {
      cwd: temporaryFolder(),
    })
    expect({ seed, status, signal, output }).toEqual({
      seed,
      status: 0,
      signal: null,
      output: expect.stringMatching(/^survived: \d{4,} threw, \d{4,} returned\n$/),
    })
  }
}, 60_000)

describe('loops over words', () => {
  const loops = nativeMemory().kernels!

  test('take hash segments that end where their memory ends, and none without a slot', () => {
    const from = Int32Array.of(1, 0, 77, 0x80000000 | 5 | 0)
    const [zeros, ones, counts] = [new Int32Array(4), new Int32Array(4), new Uint32Array(2)]
    loops.splitSegment(from, 0, 2, 4, 1, zeros, 0, ones, 0, counts)
    expect([...zeros, ...ones, ...counts]).toEqual([0, 0, 0, 0, 0, 0, 77, from[3], 0, 1])
    const entry = [Uint32Array.of(5), Uint32Array.of(77), Uint32Array.of(0)] as const
    for (const words of [1, 2]) {
      const fill = () => loops.fillSegment(...entry, 0, 1, 0, new Int32Array(words * 2), 0)
      expect(fill).toThrow('halves is too short')
    }
  })

  test('end in a dictionary that has no free place', () => {
    const numbers = new Int32Array(3)
    const full = new Int32Array(4 * 4).fill(9)
    expect(loops.numberPairs(Int32Array.of(1, 2, 3), numbers, 0, 3, full, Int32Array.of(0), numbers)).toBe(0)
  })

  test('are led by no getter among the windows to memory that it has taken away', () => {
    const table = new Uint32Array(1 << 16)
    const windows: ArrayBuffer[] = [new ArrayBuffer(32768)]
    Object.defineProperty(windows, 0, {
      get: () => {
        if (table.length > 0) structuredClone(table.buffer, { transfer: [table.buffer] })
        return new ArrayBuffer(32768)
      },
    })
    expect(() => loops.countWords(table, windows, 0, 1, 0, 0, new Uint32Array(1))).toThrow('leads outside the heap')
    const endless: ArrayBuffer[] = []
    endless.length = 2 ** 32 - 1
    expect(() => loops.countWords(table, endless, 0, 1, 0, 0, new Uint32Array(1))).toThrow('too many windows')
  })

  test('refuse more tests at once than there is memory for', () => {
    const steps = Int32Array.from({ length: 6 * 2_000_000 }, () => 0)
    const scan = () =>
      loops.scanWords(
        new Uint32Array(1),
        [new ArrayBuffer(32768)],
        steps,
        new Int32Array(0),
        new Uint32Array(2),
        0,
        0,
        9,
        new Int32Array(0),
      )
    expect(scan).toThrow('the steps or the positions do not fit')
  })
})

test('what is written off the event loop is no memory that a getter among the buffers has taken away', async () => {
  const path = join(temporaryFolder(), 'file')
  const fd = openSync(path, 'w')
  onTestFinished(() => closeSync(fd))
  const [taken, kept] = [new Uint8Array(PAGE).fill(1), new Uint8Array(PAGE).fill(2)]
  const buffers = [taken, kept]
  let asked = 0
  Object.defineProperty(buffers, 1, {
    get: () => {
      // once for the check in TypeScript, once for the addon's own
      if (++asked === 2) structuredClone(taken.buffer, { transfer: [taken.buffer] })
      return kept
    },
  })
  await nativeMemory().writeAsync!(fd, buffers, 0)
  expect(readFileSync(path).equals(kept)).toBe(true)
  const endless: Uint8Array[] = []
  endless.length = 2 ** 32 - 1
  expect(() => nativeMemory().writeAsync!(fd, endless, 0)).toThrow('must be a Uint8Array')
})

const canLimit = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0

test.runIf(canLimit)(
  'a native loop that gets no memory throws, and takes neither the process nor anything else with it',
  async () => {
    const program = fileURLToPath(new URL('./support/little-memory.ts', import.meta.url))
    const { exitCode, stdout, stderr } = await runProgram(program, {}, ['--single-threaded'])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const told = expect.stringMatching(/^IO There is no memory for a native loop .* Give the process more memory/)
    expect(JSON.parse(stdout)).toEqual({
      little: { scanWords: told, groupTexts: told, sortIndex: told },
      enough: { scanWords: 'returned', groupTexts: 'returned', sortIndex: 'returned' },
      sorted: 2 ** 25,
      rows: 1,
    })
  },
  60_000,
)

test('workers terminated while they hold and take windows leave nothing behind', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'file')
  writeFileSync(file, new Uint8Array(PAGE).fill(4))
  const memory = nativeMemory()
  const mine = memory.allocate(PAGE)
  new Uint8Array(mine).fill(6)
  for (let round = 0; round < 20; round++) {
    const locks = [0, 1, 2].map((i) => join(folder, `lock-${i}`))
    const workers = locks.map((lock) => {
      const workerData = { binary: addonBinary(), file, lock }
      return new Worker(new URL('./support/holder.cjs', import.meta.url), { workerData })
    })
    const started = await Promise.all(
      workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))),
    )
    expect(started).toEqual([true, true, true])
    if (round % 2 === 0) await nextTurn()
    await Promise.all(workers.map((worker) => worker.terminate()))
    if (process.platform === 'linux') expect(mappingsOf(file)).toBe(0)
    for (const lock of locks) memory.lock(lock).release()
  }
  expect(new Uint8Array(mine).every((byte) => byte === 6)).toBe(true)
  memory.unmap(mine)
}, 60_000)
