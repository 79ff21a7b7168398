import { existsSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { nodeFiles } from '../../src/heap/files'
import { temporaryFolder } from './support/memories'

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
    nodeFiles.closeBeside(fd)
    await vi.waitFor(() => expect(isOpen(path)).toBe(false))
  },
)

test('what is written with several calls stands where it was to be, whatever the sizes of its pieces', async () => {
  const sizes = fc.array(fc.oneof(fc.constantFrom(0, 1, 32_768, 65_536), fc.nat({ max: 200_000 })), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 100 }), async (lengths, position) => {
      const pieces = lengths.map((length, i) => Buffer.alloc(length, `piece ${i}, `))
      const expected = Buffer.concat([Buffer.alloc(position), ...pieces])
      const path = join(temporaryFolder(), 'file')
      const fd = nodeFiles.open(path, 'wx+')
      nodeFiles.write(fd, expected.subarray(0, position), 0)
      await nodeFiles.writeBeside(fd, pieces, position)
      expect(readFileSync(path).equals(expected)).toBe(true)
      nodeFiles.truncate(fd, 0)
      nodeFiles.write(fd, expected, 0)
      expect(readFileSync(path).equals(expected)).toBe(true)
      nodeFiles.close(fd)
    }),
    { numRuns: 50 },
  )
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
      await nodeFiles.removeBeside(path)
      expect(readdirSync(folder)).toEqual(
        paths.map((each) => basename(each)).filter((each) => join(folder, each) > path),
      )
    }
    await expect(nodeFiles.removeBeside(paths[0])).rejects.toMatchObject({ code: 'ENOENT' })
    symlinkSync(`${paths[0]}-to-nowhere`, paths[0])
    await nodeFiles.removeBeside(paths[0])
    expect(readdirSync(folder)).toEqual([])
    await vi.waitFor(() => expect(isOpen(folder)).toBe(false))
  },
)
