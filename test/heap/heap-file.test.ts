import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { mapBlocks } from '../../src/heap/file-format'
import { filesWith, nodeFiles } from '../../src/heap/files'
import { Heap } from '../../src/heap/heap'
import { BLOCK_BYTES, BLOCK_WORDS } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import { PoolFile } from '../../src/heap/pool-file'
import type { HeapSnapshot } from '../../src/heap/snapshots'
import { verifyFile } from '../../src/heap/verify'
import {
  codeOf,
  expectSound,
  fingerprint,
  HEAP_MEMORIES,
  inTransaction,
  withFile,
  withFolder,
  withHeap,
} from '../support/heap'
import { FIRST_BLOCK } from '../support/word-changes'
import { LockHolder } from './support/lock-holder'

const OPEN = { create: false, readOnly: false }
const READ = { create: false, readOnly: true }
/** Writes one word into each of `count` blocks. */
function writeBlocks(heap: Heap, count: number, value: number): void {
  inTransaction(heap, () => {
    heap.writer.ensureBlocks(FIRST_BLOCK + count)
    for (let i = 0; i < count; i++) heap.writer.set((FIRST_BLOCK + i) * BLOCK_WORDS + 3, value, i)
  })
}

/** Names in a folder but those of lock files. */
function filesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.includes('.lock'))
}

function expectBlocks(view: Heap['live'], count: number, value: number): void {
  for (let i = 0; i < count; i++) {
    const address = (FIRST_BLOCK + i) * BLOCK_WORDS + 3
    if (view.low(address) !== value || view.high(address) !== i) expect.fail(`block ${i} shows ${view.low(address)}`)
  }
}

describe.each(HEAP_MEMORIES)('heap file on %s memory', (name, makeMemory) => {
  const memory = makeMemory()

  test('a new heap has no file until its first save', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      expect(await codeOf(() => Heap.open(memory, path, OPEN))).toBe('NOT_FOUND')
      expect(await codeOf(() => Heap.open(memory, path, { create: true, readOnly: true }))).toBe('NOT_FOUND')
      await withFile(memory, path, async (heap) => {
        expect(existsSync(path)).toBe(false)
        await heap.save({ annotation: 'first' })
        expect(heap.savedRoot).toMatchObject({ version: heap.version, annotation: 'first' })
      })
      await withFile(memory, path, (heap) => expect(heap.savedRoot!.annotation).toBe('first'), OPEN)
    }))

  test('a heap in memory saves into a file of its own only', () =>
    withFolder((folder) =>
      withHeap(memory, async (heap) => {
        expect(await codeOf(() => heap.save())).toBe('INVALID_ARGUMENT')
        writeBlocks(heap, 5, 9)
        await heap.saveAs(join(folder, 'heap'))
        await withFile(memory, join(folder, 'heap'), (reader) => expectBlocks(reader.live, 5, 9), READ)
      }),
    ))

  test('a file written whole holds its blocks densely, in logical order', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      await withHeap(memory, async (heap) => {
        writeBlocks(heap, 300, 1)
        inTransaction(heap, () => heap.writer.discard(FIRST_BLOCK + 100))
        await heap.saveAs(path)
      })
      const file = PoolFile.open(memory, nodeFiles, path, false)
      const places = [...file.places].filter((place) => place !== 0)
      expect(places).toEqual(places.map((_, i) => i + 1))
      expect(file.lengthBlocks).toBe(1 + places.length + mapBlocks(file.places.length))
      file.close()
    }))

  test.runIf(process.platform === 'linux')(
    'a device without space is an IO error that names the file and the reason',
    () =>
      withFolder(async (folder) => {
        const path = join(folder, 'heap')
        symlinkSync('/dev/full', path)
        const file = { path, fd: nodeFiles.open(path, 'r+') }
        const made = PoolFile.create(memory, filesWith(memory), file, new Uint8Array(16), new Uint8Array(16))
        const { code, message, details } = await made.catch((error) => error)
        expect([code, details]).toEqual(['IO', { path, systemCode: 'ENOSPC' }])
        expect(message).toContain(`Could not write ${path} (ENOSPC). Free space on the device`)
      }),
  )

  test('a save appends what changed since the last one, and no more', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        writeBlocks(heap, 500, 1)
        await heap.save()
        const { fileBlocks } = heap.statistics()
        const map = mapBlocks(heap.live.table.length)
        await heap.save()
        expect(heap.statistics()).toMatchObject({ fileBlocks: fileBlocks + map, deadFileBlocks: map, changedBlocks: 0 })
        inTransaction(heap, () => heap.writer.set((FIRST_BLOCK + 7) * BLOCK_WORDS, 1, 1))
        await heap.save()
        expect(heap.statistics().fileBlocks).toBe(fileBlocks + 1 + 2 * map)
        // Moved blocks are in the file already.
        inTransaction(heap, () => heap.writer.moveBlock(FIRST_BLOCK + 7, FIRST_BLOCK + 600))
        await heap.save()
        expect(heap.statistics().fileBlocks).toBe(fileBlocks + 1 + 3 * map)
        const { states, blocks } = await verifyFile(memory, nodeFiles, heap.path!)
        // and what the changed block was before
        expect([states, blocks]).toEqual([4, heap.statistics().writtenBlocks + 1])
      }),
    ))

  test('a file most of which is dead is rewritten, and snapshots over the old one stay true', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        const snapshots: HeapSnapshot[] = []
        const sizes: number[] = []
        for (let round = 1; round <= 8; round++) {
          writeBlocks(heap, 700, round)
          await heap.save()
          snapshots.push(heap.snapshot(`round ${round}`))
          sizes.push(heap.statistics().fileBlocks)
          for (const [i, snapshot] of snapshots.entries()) expectBlocks(snapshot.view, 700, i + 1)
          expectSound(heap)
        }
        expect(sizes.filter((size, i) => i > 0 && size < sizes[i - 1]).length).toBeGreaterThan(1)
        expect(Math.max(...sizes)).toBeLessThan(4 * 700)
        for (const snapshot of snapshots) snapshot.release()
        expectBlocks(heap.live, 700, 8)
      }),
    ))

  test('blocks that move while their file is rewritten keep their contents', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        writeBlocks(heap, 500, 1)
        await heap.save()
        truncateSync(heap.path!, statSync(heap.path!).size + 5000 * BLOCK_BYTES)
        let hasMoved = false
        await heap.save({
          onProgress: () => {
            if (hasMoved) return
            hasMoved = true
            inTransaction(heap, () => heap.writer.moveBlock(FIRST_BLOCK + 3, FIRST_BLOCK + 800))
          },
        })
        expect(hasMoved).toBe(true)
        expectSound(heap)
        expect(heap.live.high((FIRST_BLOCK + 800) * BLOCK_WORDS + 3)).toBe(3)
        await heap.save()
        await withFile(
          memory,
          heap.path!,
          (reader) => expect(fingerprint(reader.live)).toBe(fingerprint(heap.live)),
          READ,
        )
      }),
    ))

  test('a save after a detached transaction was rolled back writes the version before it', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        writeBlocks(heap, 20, 1)
        await heap.save()
        const before = fingerprint(heap.live)
        heap.beginDetached()
        heap.writer.ensureBlocks(5000)
        for (let i = 0; i < 20; i++) heap.writer.set((FIRST_BLOCK + i) * BLOCK_WORDS + 3, 2, 2)
        heap.writer.discard(FIRST_BLOCK + 4)
        heap.writer.moveBlock(FIRST_BLOCK + 5, 4500)
        heap.rollback()
        await heap.save()
        expect(fingerprint(heap.live)).toBe(before)
        expect(heap.statistics().changedBlocks).toBe(0)
        await withFile(memory, heap.path!, (reader) => expect(fingerprint(reader.live)).toBe(before), READ)
      }),
    ))

  test('saving under another name refuses an existing file, and replaces it whole when told', () =>
    withFolder((folder) =>
      withHeap(memory, async (heap) => {
        const path = join(folder, 'copy')
        writeBlocks(heap, 5, 1)
        await heap.saveAs(path)
        const bytes = readFileSync(path)
        writeBlocks(heap, 5, 2)
        expect(await codeOf(() => heap.saveAs(path))).toBe('EXISTS')
        expect(readFileSync(path).equals(bytes)).toBe(true)
        const reader = Heap.open(memory, path, READ)
        await heap.saveAs(path, { replace: true })
        expectBlocks(reader.live, 5, 1)
        await reader.close()
        await withFile(memory, path, (later) => expectBlocks(later.live, 5, 2), READ)
        expect(readdirSync(folder)).toEqual(['copy'])
      }),
    ))

  test('two heaps may save under one name at once: the file is one of them, whole', () =>
    withFolder((folder) =>
      withHeap(memory, (one) =>
        withHeap(memory, async (two) => {
          const path = join(folder, 'heap')
          writeBlocks(one, 300, 1)
          writeBlocks(two, 300, 2)
          await Promise.all([one.saveAs(path, { replace: true }), two.saveAs(path, { replace: true })])
          await verifyFile(memory, nodeFiles, path)
          await withFile(
            memory,
            path,
            (heap) => expectBlocks(heap.live, 300, Buffer.from(heap.id).equals(one.id) ? 1 : 2),
            READ,
          )
          expect(readdirSync(folder)).toEqual(['heap'])
        }),
      ),
    ))

  test('a save that cannot rename leaves nothing behind, and the heap goes on', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        const taken = join(folder, 'taken')
        mkdirSync(join(taken, 'full'), { recursive: true })
        writeBlocks(heap, 5, 1)
        expect(await codeOf(() => heap.saveAs(taken))).toBe('EXISTS')
        expect(await codeOf(() => heap.saveAs(taken, { replace: true }))).toBe('IO')
        const missing = join(folder, 'missing', 'heap')
        const error: SnapheapError = await heap.saveAs(missing).catch((reason) => reason)
        expect([error.code, error.details.path, error.message.includes('.tmp')]).toEqual(['NOT_FOUND', missing, false])
        expect(filesIn(folder)).toEqual(['taken'])
        await heap.save()
        await withFile(memory, heap.path!, (reader) => expectBlocks(reader.live, 5, 1), READ)
      }),
    ))

  test('a save for which the device has no room leaves the state saved before, and the heap goes on', () =>
    withFolder((folder) => {
      const runBundled = fileURLToPath(new URL('../../scripts/run-bundled.mjs', import.meta.url))
      const script = fileURLToPath(new URL('./support/full-device.ts', import.meta.url))
      // Files of at most 8 MiB, which the kernel enforces like the end of a device.
      const limited = ['-c', 'ulimit -f 8192 && exec "$@"', 'sh', process.execPath, runBundled, script, name, folder]
      const output = execFileSync('bash', limited, { encoding: 'utf8' })
      expect(JSON.parse(output)).toEqual({
        small: 'saved',
        large: 'IO EFBIG',
        largeCopy: 'IO EFBIG',
        files: ['heap'],
        shown: { live: 2, stored: 1, problems: [] },
        smallAgain: 'saved',
        storedAgain: 2,
      })
    }))

  test('a file that was removed, renamed, replaced or truncated under the heap is noticed, and never saved into', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        const path = heap.path!
        writeBlocks(heap, 20, 1)
        await heap.save()
        writeBlocks(heap, 1, 2)
        const outcomes: unknown[] = []
        const expectRefusal = async (): Promise<void> => {
          const error = await errorOf(() => heap.save({ replace: true }))
          expect(error.message).toContain('Save it to another path, close it, and put its file back.')
          expect((await errorOf(async () => heap.ensureWriter())).code).toBe(error.code)
          outcomes.push([error.code, error.details.path])
        }
        renameSync(path, `${path}-moved`)
        await expectRefusal()
        writeFileSync(path, readFileSync(`${path}-moved`))
        await expectRefusal()
        renameSync(`${path}-moved`, path)
        const bytes = readFileSync(path)
        truncateSync(path, bytes.length - BLOCK_BYTES)
        await expectRefusal()
        writeFileSync(path, bytes)
        expect(outcomes).toEqual(['NOT_FOUND', 'EXISTS', 'CORRUPT'].map((code) => [code, path]))
        expect(readFileSync(path).equals(bytes)).toBe(true)
        await heap.saveAs(`${path}-copy`)
        await heap.save()
        for (const each of [path, `${path}-copy`])
          await withFile(memory, each, (reader) => expect(fingerprint(reader.live)).toBe(fingerprint(heap.live)), READ)
      }),
    ))

  test('an annotation that does not fit is refused before anything is written', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        const annotation = 'é'.repeat(201)
        expect(await codeOf(() => heap.save({ annotation }))).toBe('INVALID_ARGUMENT')
        expect(filesIn(folder)).toEqual([])
        await heap.save({ annotation: annotation.slice(1) })
        const { size } = statSync(heap.path!)
        writeBlocks(heap, 5, 1)
        expect(await codeOf(() => heap.save({ annotation }))).toBe('INVALID_ARGUMENT')
        expect(statSync(heap.path!).size).toBe(size)
        await withFile(memory, heap.path!, (reader) => expect(reader.savedRoot!.annotation).toHaveLength(200), READ)
      }),
    ))

  test('a reader opened before stays true while the writer appends and rewrites, takes no lock and refuses changes', () =>
    withFolder((folder) =>
      withFile(memory, join(folder, 'heap'), async (heap) => {
        writeBlocks(heap, 400, 1)
        await heap.save()
        const reader = Heap.open(memory, heap.path!, READ)
        const before = fingerprint(reader.live)
        for (let round = 2; round < 8; round++) {
          writeBlocks(heap, 400, round)
          await heap.save()
          expect(fingerprint(reader.live)).toBe(before)
        }
        expect(await codeOf(() => reader.begin())).toBe('READ_ONLY')
        expect(await codeOf(() => reader.beginDetached())).toBe('READ_ONLY')
        expect(await codeOf(() => reader.save())).toBe('READ_ONLY')
        await reader.saveAs(join(folder, 'copy'))
        await reader.close()
        await withFile(memory, join(folder, 'copy'), (copy) => expect(fingerprint(copy.live)).toBe(before), READ)
      }),
    ))

  test('opening checks header, roots and map, and reads none of the data', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      await withHeap(memory, async (heap) => {
        writeBlocks(heap, 1000, 1)
        await heap.saveAs(path)
      })
      let checkedBytes = 0
      const counting: Memory = Object.create(memory)
      counting.crc32c = (bytes, seed) => {
        checkedBytes += bytes.length
        return memory.crc32c(bytes, seed)
      }
      await withFile(counting, path, (heap) => expectBlocks(heap.live, 1000, 1), READ)
      expect(checkedBytes).toBeLessThan(2 * BLOCK_BYTES)
    }))

  test('a second writer is refused and told who holds the file, until that process is gone', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      await withFile(memory, path, async (heap) => {
        await heap.save()
        const error = await errorOf(() => Heap.open(memory, path, OPEN))
        expect([error.code, error.details.pid]).toEqual(['LOCKED', process.pid])
      })
      const holder = await LockHolder.start(name)
      expect(await holder.lock(`${path}.lock`)).toBe('held')
      const error = await errorOf(() => Heap.open(memory, path, OPEN))
      expect([error.code, error.details.pid]).toEqual(['LOCKED', holder.pid])
      await withFile(memory, path, () => undefined, READ)
      await holder.kill()
      await withFile(memory, path, () => undefined, OPEN)
    }))

  test('a closed heap refuses everything, and closing waits for the save under way', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      const heap = Heap.open(memory, path, { create: true, readOnly: false })
      writeBlocks(heap, 200, 4)
      const saving = heap.save()
      await heap.close()
      await saving
      await heap.close()
      expect(await codeOf(() => heap.begin())).toBe('CLOSED')
      expect(await codeOf(() => heap.snapshot('late'))).toBe('CLOSED')
      expect(await codeOf(() => heap.save())).toBe('CLOSED')
      await withFile(memory, path, (reader) => expectBlocks(reader.live, 200, 4), READ)
    }))
})

async function errorOf(run: () => unknown): Promise<SnapheapError> {
  try {
    await run()
  } catch (error) {
    return error as SnapheapError
  }
  throw new Error('nothing was thrown')
}
