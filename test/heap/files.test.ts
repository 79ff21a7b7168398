import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Files, filesWith, nodeFiles } from '../../src/heap/files'
import { plainMemory } from '../../src/heap/plain-memory'
import { nativeMemory, temporaryFolder } from './support/memories'

/** Whether this process has a file open that had such a path. */
function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path)
    } catch {
      return false // the descriptor that listed the folder
    }
  })
}

test.runIf(process.platform === 'linux')(
  'a removed file has lost its name at once and its descriptor soon',
  async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, new Uint8Array(100_000))
    const fd = nodeFiles.open(path, 'r')
    nodeFiles.remove(path)
    expect(existsSync(path)).toBe(false)
    const bytes = new Uint8Array(10)
    expect(nodeFiles.read(fd, bytes, 99_995)).toBe(5) // whoever has it open still reads it
    expect(isOpen(path)).toBe(true)
    nodeFiles.closeAsync(fd)
    await vi.waitFor(() => expect(isOpen(path)).toBe(false))
  },
)

/** Who writes off the event loop: Node, or native code. */
const WRITERS: readonly (readonly [string, Files])[] = [
  ['Node', filesWith(plainMemory())],
  ['native code', filesWith(nativeMemory())],
]

test.each(WRITERS)(
  'what %s writes stands where it was to be, whatever the sizes of its pieces',
  async (_name, files) => {
    const sizes = fc.array(fc.oneof(fc.constantFrom(0, 1, 32_768, 65_536), fc.nat({ max: 200_000 })), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat({ max: 100 }), async (lengths, position) => {
        const pieces = lengths.map((length, i) => Buffer.alloc(length, `piece ${i}, `))
        const expected = Buffer.concat([Buffer.alloc(position), ...pieces])
        const path = join(temporaryFolder(), 'file')
        const fd = nodeFiles.open(path, 'wx+')
        nodeFiles.write(fd, expected.subarray(0, position), 0)
        await files.writeAsync(fd, pieces, position)
        expect(readFileSync(path).equals(expected)).toBe(true)
        nodeFiles.truncate(fd, 0)
        nodeFiles.write(fd, expected, 0)
        expect(readFileSync(path).equals(expected)).toBe(true)
        nodeFiles.close(fd)
      }),
      { numRuns: 50 },
    )
  },
)

test.each(WRITERS)('what %s writes may be forgotten by everybody else meanwhile', async (_name, files) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const path = join(temporaryFolder(), 'file')
  const fd = nodeFiles.open(path, 'wx+')
  onTestFinished(() => closeSync(fd))
  const pieces = (text: string): Buffer[] =>
    Array.from({ length: 100 }, (_, i) => Buffer.alloc(1 << 20, `${text} ${i}, `))
  // no frame that goes on may hold the pieces
  const begin = (): Promise<void> => files.writeAsync(fd, pieces('piece'), 0)
  const written = begin()
  collect()
  pieces('what takes the memory over')
  await written
  expect(readFileSync(path).equals(Buffer.concat(pieces('piece')))).toBe(true)
})

test.runIf(process.platform === 'linux')('what cannot be written fails alike, whoever writes it', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'file')
  writeFileSync(path, 'as it was')
  const readOnly = nodeFiles.open(path, 'r')
  spawnSync('mkfifo', [join(folder, 'pipe')])
  const pipe = openSync(join(folder, 'pipe'), 'r+')
  const full = openSync('/dev/full', 'w')
  onTestFinished(() => {
    for (const fd of [readOnly, pipe, full]) closeSync(fd)
  })
  const failures = [
    [full, 'ENOSPC'],
    [pipe, 'ESPIPE'],
    [readOnly, 'EBADF'],
    [0x7fff_ffff, 'EBADF'],
  ] as const
  for (const [fd, code] of failures) {
    const outcomes = WRITERS.map(([, files]) => {
      const pieces = [Buffer.alloc(100_000), Buffer.alloc(1)]
      return files.writeAsync(fd, pieces, 0).then(String, (error) => ({ ...error, message: error.message }))
    })
    const [ofNode, ofNative] = await Promise.all(outcomes)
    expect(ofNode).toMatchObject({ code, syscall: 'write', message: expect.stringContaining(code) })
    expect(ofNative).toEqual(ofNode)
  }
  for (const [, files] of WRITERS) await files.writeAsync(full, [], 0) // there is nothing to be refused
  expect(readFileSync(path, 'utf8')).toBe('as it was')
})

test('a folder is synced, and one that is not there is an error', async () => {
  const folder = temporaryFolder()
  await nodeFiles.syncFolderAsync(folder)
  const missing = nodeFiles.syncFolderAsync(join(folder, 'none'))
  if (process.platform === 'win32') await missing
  else await expect(missing).rejects.toMatchObject({ code: 'ENOENT' })
})

test('what cannot be opened is removed all the same, and what is not there is an error', () => {
  const path = join(temporaryFolder(), 'link')
  symlinkSync(`${path}-to-nowhere`, path)
  nodeFiles.remove(path)
  expect(readdirSync(join(path, '..'))).toEqual([])
  expect(() => nodeFiles.remove(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})

test.runIf(process.platform === 'linux')(
  'files removed beside the event loop lose their names in order, and their descriptors soon, even where one cannot be removed',
  async () => {
    const folder = temporaryFolder()
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name))
    for (const path of paths) writeFileSync(path, new Uint8Array(100_000))
    for (const path of paths) {
      await nodeFiles.removeAsync(path)
      expect(readdirSync(folder)).toEqual(
        paths.map((each) => basename(each)).filter((each) => join(folder, each) > path),
      )
    }
    await expect(nodeFiles.removeAsync(paths[0])).rejects.toMatchObject({ code: 'ENOENT' })
    symlinkSync(`${paths[0]}-to-nowhere`, paths[0])
    await nodeFiles.removeAsync(paths[0])
    expect(readdirSync(folder)).toEqual([])
    await vi.waitFor(() => expect(isOpen(folder)).toBe(false))
  },
)
