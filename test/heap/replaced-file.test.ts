import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { verify } from '../../src/db/verify'
import { type Files, filesWith } from '../../src/heap/files'
import { renameOver, replacedFile } from '../../src/heap/replaced-file'
import { StoreOverFiles } from '../log/support/store-over-files'
import { closeChecked, fileStore, temporaryPath } from '../support/store'
import { nativeMemory, temporaryFolder } from './support/memories'

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/**
 * Files as Windows has them: no file takes the name of another that is in use, nor is one removed that is. The process
 * ends before change number `diesAt` of a name, counted from `arm` on; from then on nothing is changed.
 */
class WindowsFiles {
  readonly files: Files
  private changes = 0
  private diesAt = Number.POSITIVE_INFINITY

  constructor(private readonly isInUse: (path: string) => boolean) {
    const real = filesWith(nativeMemory())
    this.files = {
      ...real,
      rename: (from, to) =>
        this.change(() => {
          if (real.exists(to)) throw systemError('EPERM')
          real.rename(from, to)
        }),
      remove: (path) =>
        this.change(() => {
          if (this.isInUse(path)) throw systemError('EBUSY')
          real.remove(path)
        }),
    }
  }

  arm(diesAt: number): void {
    this.changes = 0
    this.diesAt = diesAt
  }

  private change(work: () => void): void {
    if (++this.changes >= this.diesAt) throw systemError('EIO')
    work()
  }
}

const replacedIn = (path: string): string[] =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.replaced-`))

function openWith(path: string, files: Files): StoreOverFiles {
  return StoreOverFiles.over(path, { files, memory: nativeMemory() })
}

test.each([1, 2, 3, 4, 5])(
  'a rewrite that is cut off before change %d of a name leaves a database that opens, for reading and for writing',
  async (diesAt) => {
    const path = temporaryPath()
    const windows = new WindowsFiles((each) => each.includes('.replaced-'))
    const store = openWith(path, windows.files)
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
      tx.insert('t', { id: 1 })
    })
    await store.checkpoint()
    store.write((tx) => tx.insert('t', { id: 2 }))
    windows.arm(diesAt)
    await store.compact().catch(() => undefined)
    await store.close()
    for (const options of [{ readOnly: true }, { follow: true }]) {
      const reader = fileStore(path, options)
      expect(reader.table('t').rowCount).toBe(2)
      await closeChecked(reader)
    }
    expect((await verify(path)).version).toBeGreaterThan(1)
    const again = openWith(path, new WindowsFiles(() => false).files)
    expect(again.table('t').rowCount).toBe(2)
    again.write((tx) => tx.insert('t', { id: 3 }))
    await again.compact()
    await closeChecked(again)
    const last = fileStore(path)
    expect(last.table('t').rowCount).toBe(3)
    while (replacedIn(path).length > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  },
)

test('files that cannot be removed are kept apart, and the newest of them is recovered', () => {
  const path = join(temporaryFolder(), 'file')
  const { files } = new WindowsFiles(() => true)
  for (let round = 0; round < 12; round++) {
    writeFileSync(`${path}.new`, `state ${round}`)
    renameOver(files, `${path}.new`, path)
    expect(replacedFile(files, path)).toBe(undefined)
  }
  expect(replacedIn(path)).toHaveLength(11)
  files.rename(path, `${path}.away`)
  expect(readFileSync(replacedFile(files, path)!, 'utf8')).toBe('state 10')
})

test('a file that cannot take the name leaves the other its name', () => {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, 'kept')
  const { files } = new WindowsFiles(() => false)
  expect(() => renameOver(files, `${path}.missing`, path)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  expect([readFileSync(path, 'utf8'), replacedIn(path)]).toEqual(['kept', []])
})

test('a folder does not lose its name to a file', () => {
  const path = join(temporaryFolder(), 'folder')
  mkdirSync(path)
  writeFileSync(`${path}.new`, '')
  const { files } = new WindowsFiles(() => false)
  expect(() => renameOver(files, `${path}.new`, path)).toThrow(expect.objectContaining({ code: 'EPERM' }))
  expect(readdirSync(dirname(path)).sort()).toEqual(['folder', 'folder.new'])
})

test('where there is a file of the name, none is recovered', () => {
  const path = join(temporaryFolder(), 'file')
  const { files } = new WindowsFiles(() => false)
  for (const name of [`${path}.replaced-000001.tmp`, `${path}x.replaced-000002.tmp`]) writeFileSync(name, '')
  expect(replacedFile(files, path)).toBe(`${path}.replaced-000001.tmp`)
  writeFileSync(path, '')
  expect(replacedFile(files, path)).toBe(undefined)
})

test('without create, a database that lost its name is found', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'none' })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  await closeChecked(store)
  renameSync(path, `${path}.replaced-000001.tmp`)
  expect(fileStore(path, { create: false }).tableNames).toEqual(['t'])
  expect(replacedIn(path)).toEqual([])
})
