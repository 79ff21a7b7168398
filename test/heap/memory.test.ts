import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { types } from 'node:util'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import type { Memory, MemoryAdvice } from '../../src/heap/memory'
import { LockHolder } from './support/lock-holder'
import { MEMORIES, nativeMemory, temporaryFolder } from './support/memories'

const PAGE = 65536 // a multiple of every page size in use
const GIB = 2 ** 30

/** An open file of whole pages, each filled with its own number from 1 on. */
function fileOfPages(pages: number): { fd: number; append(value: number): void } {
  const fd = openSync(join(temporaryFolder(), 'pages'), 'w+')
  onTestFinished(() => closeSync(fd))
  let length = 0
  const append = (value: number) => void (length += writeSync(fd, new Uint8Array(PAGE).fill(value), 0, PAGE, length))
  for (let page = 1; page <= pages; page++) append(page)
  return { fd, append }
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'no error'
  } catch (error) {
    return (error as SnapheapError).code ?? String(error)
  }
}

describe.each(MEMORIES)('%s memory', (_name, makeMemory) => {
  const memory: Memory = makeMemory()

  test('a file window shows the bytes of the file from its offset on', () => {
    const { fd } = fileOfPages(4)
    const window = memory.mapFile(fd, PAGE, 2 * PAGE)
    const view = new Uint8Array(window)
    expect([view.length, view[0], view[PAGE - 1], view[PAGE], view[2 * PAGE - 1]]).toEqual([2 * PAGE, 2, 2, 3, 3])
    memory.unmap(window)
  })

  test('a window stays true after its file descriptor is closed', () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, new Uint8Array(PAGE).fill(5))
    const fd = openSync(path, 'r')
    const window = memory.mapFile(fd, 0, PAGE)
    closeSync(fd)
    expect(new Uint8Array(window)[PAGE - 1]).toBe(5)
    memory.unmap(window)
  })

  test('a window past the end of the file shows what the file grows by', () => {
    const file = fileOfPages(1)
    const window = memory.mapFile(file.fd, 0, 2 * GIB)
    const view = new Uint8Array(window)
    expect([view.length, view[PAGE - 1]]).toEqual([2 * GIB, 1])
    for (let page = 1; page < 20; page++) {
      file.append(page + 1)
      memory.refresh(window, file.fd, page * PAGE, page * PAGE, PAGE)
      expect([view[page * PAGE - 1], view[page * PAGE], view[(page + 1) * PAGE - 1]]).toEqual([
        page,
        page + 1,
        page + 1,
      ])
    }
    memory.unmap(window)
  })

  test('a window onto a file beyond 4 GiB shows the right bytes', () => {
    const { fd } = fileOfPages(1)
    ftruncateSync(fd, 6 * GIB)
    writeSync(fd, new Uint8Array([1, 2, 3]), 0, 3, 5 * GIB)
    const window = memory.mapFile(fd, 5 * GIB, PAGE)
    expect([...new Uint8Array(window, 0, 4)]).toEqual([1, 2, 3, 0])
    memory.unmap(window)
  })

  test('windows of more than 4 GiB in total are zeros at first and do not share memory', () => {
    const windows = [1, 2, 3].map(() => new Float64Array(memory.allocate(2 * GIB)))
    const last = (2 * GIB) / 8 - 1
    for (const words of windows) expect([words[0], words[last]]).toEqual([0, 0])
    for (const [i, words] of windows.entries()) {
      words[0] = i + 1
      words[last] = -i
    }
    expect(windows.map((words) => [words[0], words[last]])).toEqual([
      [1, -0],
      [2, -1],
      [3, -2],
    ])
    for (const words of windows) memory.unmap(words.buffer as ArrayBuffer)
  })

  test('dontneed turns exactly its range of anonymous memory into zeros, and leaves a file window alone', () => {
    const { fd } = fileOfPages(3)
    const file = memory.mapFile(fd, 0, 3 * PAGE)
    const anonymous = memory.allocate(3 * PAGE)
    new Uint8Array(anonymous).fill(7)
    for (const advice of ['normal', 'random', 'sequential', 'willneed', 'dontneed'] as MemoryAdvice[]) {
      expect(new Uint8Array(anonymous).every((byte) => byte === 7)).toBe(true)
      for (const window of [file, anonymous]) memory.advise(window, PAGE, PAGE, advice)
    }
    const bytes = new Uint8Array(anonymous)
    expect([bytes[PAGE - 1], bytes[PAGE], bytes[2 * PAGE - 1], bytes[2 * PAGE]]).toEqual([7, 0, 0, 7])
    memory.advise(anonymous, 10, 20, 'dontneed')
    expect([bytes[9], bytes[10], bytes[29], bytes[30]]).toEqual([7, 0, 0, 7])
    expect([...new Uint8Array(file)].every((byte, at) => byte === 1 + Math.floor(at / PAGE))).toBe(true)
    for (const window of [file, anonymous]) memory.unmap(window)
  })

  test('incore counts whole pages and never more than the range has', () => {
    const { fd } = fileOfPages(2)
    const file = memory.mapFile(fd, 0, 2 * PAGE)
    const bytes = new Uint8Array(file)
    expect([bytes[0], bytes[PAGE]]).toEqual([1, 2])
    const all = memory.incore(file, 0, 2 * PAGE)
    expect(all.pages).toBeGreaterThanOrEqual(2)
    expect(all.residentPages).toBe(all.pages)
    expect(memory.incore(file, 1, PAGE).pages).toBe(all.pages / 2 + 1)
    expect(memory.incore(file, 5, 0)).toEqual({ residentPages: 0, pages: 0 })
    memory.unmap(file)
  })

  test('after unmap every view is empty and every use throws CLOSED', () => {
    const { fd } = fileOfPages(1)
    for (const window of [memory.mapFile(fd, 0, PAGE), memory.allocate(PAGE)]) {
      const view = new Uint8Array(window)
      const other = new ArrayBuffer(8)
      memory.unmap(window)
      // mmap-io cannot unmap, and Node 20 cannot detach its memory.
      if (memory.name !== 'mmap-io') expect([window.byteLength, view.length, view[0]]).toEqual([0, 0, undefined])
      expect(codeOf(() => memory.unmap(window))).toBe('CLOSED')
      expect(codeOf(() => memory.advise(window, 0, 0, 'normal'))).toBe('CLOSED')
      expect(codeOf(() => memory.incore(window, 0, 0))).toBe('CLOSED')
      expect(codeOf(() => memory.refresh(window, fd, 0, 0, 0))).toBe('CLOSED')
      expect(codeOf(() => memory.copy(window, 0, other, 0, 0))).toBe('CLOSED')
      expect(codeOf(() => memory.copy(other, 0, window, 0, 0))).toBe('CLOSED')
      if (view.length > 0) continue
      expect(codeOf(() => memory.crc32c(view))).toBe('CLOSED')
      if (memory.writeAsync !== undefined) expect(codeOf(() => memory.writeAsync!(fd, [view], 0))).toBe('CLOSED')
    }
  })

  test('a buffer of another owner is refused where it could do harm', () => {
    const foreign = new ArrayBuffer(PAGE)
    new Uint8Array(foreign).fill(1)
    expect(codeOf(() => memory.unmap(foreign))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => memory.advise(foreign, 0, PAGE, 'dontneed'))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => memory.incore(foreign, 0, PAGE))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => memory.unmap(makeMemory().allocate(PAGE)))).toBe('INVALID_ARGUMENT')
    expect(new Uint8Array(foreign).every((byte) => byte === 1)).toBe(true)
    const { fd } = fileOfPages(1)
    const file = memory.mapFile(fd, 0, PAGE)
    expect(codeOf(() => memory.copy(file, 0, foreign, 0, 1))).toBe('INVALID_ARGUMENT')
    memory.unmap(file)
  })

  test('copy moves exactly its bytes, within and between buffers', () => {
    const size = 4096
    const window = memory.allocate(size)
    const range = fc.tuple(fc.nat(size), fc.nat(size), fc.nat(size)).map(([length, a, b]) => ({
      length,
      from: a % (size - length + 1),
      to: b % (size - length + 1),
    }))
    fc.assert(
      fc.property(range, fc.uint8Array({ minLength: size, maxLength: size }), ({ length, from, to }, source) => {
        const model = new Uint8Array(window).slice()
        model.set(source.subarray(from, from + length), to)
        memory.copy(window, to, source.slice().buffer, from, length)
        expect(new Uint8Array(window)).toEqual(model)
        model.copyWithin(from, to, to + length)
        memory.copy(window, from, window, to, length)
        expect(new Uint8Array(window)).toEqual(model)
      }),
      { numRuns: 50 },
    )
    expect(codeOf(() => memory.copy(window, 1, window, 0, size))).toBe('INVALID_ARGUMENT')
    memory.unmap(window)
  })

  test('CRC-32C of the RFC 3720 examples', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
    const readCommand = Buffer.from(
      '01c00000'.padEnd(32, '0') +
        '14000000000004000000001400000018' +
        '28000000'.padEnd(16, '0') +
        '02'.padEnd(16, '0'),
      'hex',
    )
    expect(readCommand.length).toBe(48)
    expect(memory.crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(memory.crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(memory.crc32c(ascending)).toBe(0x46dd794e)
    expect(memory.crc32c(ascending.slice().reverse())).toBe(0x113fdb5c)
    expect(memory.crc32c(readCommand)).toBe(0xd9963a56)
    expect(memory.crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(memory.crc32c(new Uint8Array(0))).toBe(0)
  })

  test('CRC-32C agrees with the other implementation, on any alignment and continued from any part', () => {
    const other = MEMORIES.find(([name]) => name === (memory.name === 'native' ? 'plain' : 'native'))![1]()
    const seeds = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 20_000, size: 'max' }),
        fc.nat(),
        fc.nat(8),
        seeds,
        (all, cut, from, seed) => {
          const bytes = all.subarray(Math.min(from, all.length))
          const split = bytes.length === 0 ? 0 : cut % bytes.length
          const whole = memory.crc32c(bytes, seed)
          expect(other.crc32c(bytes, seed)).toBe(whole)
          expect(memory.crc32c(bytes.subarray(split), memory.crc32c(bytes.subarray(0, split), seed))).toBe(whole)
        },
      ),
    )
  })

  test('a wrong argument is an INVALID_ARGUMENT that names it, whatever it is', () => {
    const { fd } = fileOfPages(1)
    const window = memory.allocate(PAGE)
    const badIntegers = [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53, '0', null, {}, [], 1n, Symbol('s'), () => 0]
    const refused = (run: () => unknown) => expect(codeOf(run)).toBe('INVALID_ARGUMENT')
    for (const bad of badIntegers as number[]) {
      refused(() => memory.mapFile(bad, 0, PAGE))
      refused(() => memory.mapFile(fd, bad, PAGE))
      refused(() => memory.mapFile(fd, 0, bad))
      refused(() => memory.allocate(bad))
      refused(() => memory.advise(window, bad, 0, 'normal'))
      refused(() => memory.advise(window, 0, bad, 'normal'))
      refused(() => memory.incore(window, 0, bad))
      refused(() => memory.copy(window, bad, window, 0, 0))
      refused(() => memory.copy(window, 0, window, bad, 0))
      refused(() => memory.copy(window, 0, window, 0, bad))
      refused(() => memory.crc32c(new Uint8Array(1), bad))
      if (memory.lockFile !== undefined) refused(() => memory.lockFile!(bad))
      if (memory.writeAsync !== undefined) {
        refused(() => memory.writeAsync!(bad, [], 0))
        refused(() => memory.writeAsync!(fd, [], bad))
        refused(() => memory.writeAsync!(fd, [bad as never], 0))
      }
    }
    for (const sizeBytes of [0, 4095, 4097, 2 * GIB + 4096]) refused(() => memory.allocate(sizeBytes))
    refused(() => memory.mapFile(fd, 1, PAGE))
    refused(() => memory.mapFile(2 ** 31, 0, PAGE))
    refused(() => memory.refresh(window, fd, 0, 0, 0))
    refused(() => memory.advise(window, PAGE, 1, 'normal'))
    const notWindows = fc.anything({ withTypedArray: true, withBigInt: true, withDate: true, withMap: true })
    fc.assert(
      fc.property(notWindows, (anything) => {
        const bad = anything as never
        refused(() => memory.unmap(bad))
        refused(() => memory.advise(bad, 0, 0, 'normal'))
        refused(() => memory.incore(bad, 0, 0))
        refused(() => memory.refresh(bad, fd, 0, 0, 0))
        refused(() => memory.copy(bad, 0, window, 0, 0))
        refused(() => memory.copy(window, 0, bad, 0, 0))
        if (!types.isUint8Array(bad)) refused(() => memory.crc32c(bad))
        if (memory.writeAsync !== undefined && !Array.isArray(bad)) refused(() => memory.writeAsync!(fd, bad, 0))
        if (typeof bad !== 'string') refused(() => memory.lock(bad))
        if (typeof bad !== 'string') refused(() => memory.syncFolder(bad))
        refused(() => memory.advise(window, 0, 0, bad))
      }),
    )
    refused(() => memory.lock('a\0b'))
    refused(() => memory.lock(''))
    memory.unmap(window)
  })

  test('a refusal by the operating system is an IO error', () => {
    const folder = temporaryFolder()
    const writeOnly = openSync(join(folder, 'file'), 'w')
    onTestFinished(() => closeSync(writeOnly))
    expect(codeOf(() => memory.mapFile(writeOnly, 0, PAGE))).toBe('IO')
    expect(codeOf(() => memory.mapFile(0x7fff_ffff, 0, PAGE))).toBe('IO')
    expect(codeOf(() => memory.lock(join(folder, 'no', 'folder')))).toBe('IO')
    const hasFolderSync = process.platform !== 'win32'
    if (hasFolderSync) expect(codeOf(() => memory.syncFolder(join(folder, 'none')))).toBe('IO')
    memory.syncFolder(folder)
  })

  test('a lock excludes a second one in this process until it is released', () => {
    const path = join(temporaryFolder(), 'heap.lock')
    const first = memory.lock(path)
    try {
      memory.lock(path)
      expect.unreachable()
    } catch (error) {
      const { code, message, details } = error as SnapheapError
      expect(code).toBe('LOCKED')
      expect(details).toEqual({ path, pid: process.pid })
      expect(message).toContain(path)
      expect(message).toContain(`pid ${process.pid}`)
    }
    first.release()
    const second = memory.lock(path)
    first.release()
    expect(codeOf(() => memory.lock(path))).toBe('LOCKED')
    second.release()
    memory.lock(path).release()
  })
})

describe.each(['native', 'plain'])('%s lock between processes', (name) => {
  test('excludes others, names its holder, and is free once the holder was killed', async () => {
    const path = join(temporaryFolder(), 'heap.lock')
    const memory = MEMORIES.find(([each]) => each === name)![1]()
    const holder = await LockHolder.start(name)
    expect(await holder.lock(path)).toBe('held')
    let thrown: unknown
    try {
      memory.lock(path)
    } catch (error) {
      thrown = error
    }
    expect((thrown as SnapheapError).details).toEqual({ path, pid: holder.pid })
    await holder.kill()
    const lock = memory.lock(path)
    const second = await LockHolder.start(name)
    expect(await second.lock(path)).toBe('LOCKED')
    lock.release()
    expect(await second.lock(path)).toBe('held')
  })
})

test('an open file is locked for as long as it is open, whichever opening asks', () => {
  const memory = nativeMemory()
  const path = join(temporaryFolder(), 'file')
  const [one, other] = [openSync(path, 'w+'), openSync(path, 'r+')]
  expect([memory.lockFile!(one), memory.lockFile!(one), memory.lockFile!(other)]).toEqual([true, true, false])
  closeSync(one)
  expect(memory.lockFile!(other)).toBe(true)
  closeSync(other)
  expect(codeOf(() => memory.lockFile!(other))).toBe('IO')
})

test('native memory is found when there is a binary', () => {
  expect(nativeMemory().name).toBe('native')
})
