import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openHeap, type StoreOptions } from '../../src/db/open-heap'
import { Store } from '../../src/db/store'
import { type Files, nodeFiles } from '../../src/heap/files'
import { MEMORIES } from '../heap/support/memories'
import { bundleProgram } from '../support/program'
import { closeChecked, fileStore, rejectionOf, rowsOf, temporaryPath } from '../support/store'

const DEFINITION = { key: 'id', columns: { id: 'integer', text: 'string' } } as const

class OverFiles extends Store {
  static over(path: string, files: Files, options: StoreOptions): OverFiles {
    return new OverFiles(openHeap(path, { ...options, files }))
  }
}

/** Files that refuse the calls after the next `left` of those that saving makes, a part of what is written included. */
class RefusingFiles {
  left = Number.POSITIVE_INFINITY
  /** Whether the root was reached: the last call but one that a save makes. */
  wroteRoot = false

  readonly files: Files = {
    ...nodeFiles,
    writeAsync: async (fd, buffers, position) => {
      if (position === 4096 || position === 8192) this.wroteRoot = true
      if (--this.left >= 0) return nodeFiles.writeAsync(fd, buffers, position)
      await nodeFiles.writeAsync(fd, [buffers[0].subarray(0, 100)], position)
      this.refuse()
    },
    syncAsync: async (fd) => {
      if (--this.left < 0) this.refuse()
      await nodeFiles.syncAsync(fd)
    },
    rename: (from, to) => {
      if (--this.left < 0) this.refuse()
      nodeFiles.rename(from, to)
    },
  }

  private refuse(): never {
    throw Object.assign(new Error('made to fail'), { code: 'ENOSPC' })
  }
}

describe.each(MEMORIES.slice(0, 2))('a full device, on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test.each<[string, (store: Store, path: string) => Promise<unknown>]>([
    ['save', (store) => store.checkpoint()],
    ['compact', (store) => store.compact()],
    ['save into another file', (store, path) => store.saveAs(`${path}.copy`)],
    ['bulkWrite without log', (store) => store.bulkWrite(async (tx) => change(tx, 'loaded'), { log: false })],
  ])('a %s that fails before its root leaves the file as long as it was and no other file', async (name, call) => {
    const path = temporaryPath()
    const refusing = new RefusingFiles()
    const options: StoreOptions = { memory }
    const store = OverFiles.over(path, refusing.files, options)
    store.write((tx) => {
      tx.createTable('t', DEFINITION)
      change(tx, 'first')
    })
    await store.checkpoint()
    let failures = 0
    for (let round = 0; round < 12; round++) {
      const text = `round ${round}`
      store.write((tx) => change(tx, text))
      const before = { size: statSync(path).size, names: readdirSync(dirname(path)) }
      refusing.left = round % 8
      refusing.wroteRoot = false
      const outcome = await call(store, path).then(
        () => 'done',
        (error) => error.details.systemCode,
      )
      if (outcome === 'ENOSPC' && !refusing.wroteRoot) {
        failures++
        expect(statSync(path).size).toBe(before.size)
        expect(readdirSync(dirname(path))).toEqual(before.names)
        expect(rowsOf(store.table('t'))[7].text).toContain(text)
      }
      refusing.left = Number.POSITIVE_INFINITY
      expect(store.check().problems).toEqual([])
      // refused from now on: nobody knows what it holds
      if (outcome === 'ENOSPC' && refusing.wroteRoot && name === 'bulkWrite without log') break
      await store.saveAs(`${path}.copy`, { replace: true })
      rmSync(`${path}.copy`)
    }
    expect(failures).toBeGreaterThan(0)
    await closeChecked(store)
    await closeChecked(fileStore(path, options))
  })
})

function change(tx: { upsert(table: string, values: Record<string, unknown>): void }, text: string): void {
  for (let id = 0; id < 300; id++) tx.upsert('t', { id, text: `${text} ${id} `.repeat(20) })
}

const DEVICE_BYTES = 24 << 20
const KILLS = 5

/** A device of its own, in memory; undefined where this process may not have one. */
function smallDevice(): string | undefined {
  const folder = join(dirname(temporaryPath()), 'device')
  mkdirSync(folder)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DEVICE_BYTES}`, 'tmpfs', folder])
  if (status !== 0) return undefined
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  return folder
}

test('on a device that is full again and again, a killed process has lost nothing that was acknowledged', async ({
  skip,
}) => {
  const folder = smallDevice()
  if (folder === undefined) return skip('this process may not mount a file system')
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL('./support/fill-store.ts', import.meta.url)))
  onTestFinished(remove)
  const path = join(folder, 'test.heap')
  const other = join(folder, 'other')
  let newest = 0
  let refused = 0
  for (let round = 0; round < KILLS; round++) {
    // somebody else takes what is left but for so much
    const left = statfsSync(folder).bavail * statfsSync(folder).bsize
    writeFileSync(other, Buffer.alloc(Math.max(0, left - (1 << 20) - round * 200_000)))
    const child = spawn(process.execPath, [bundle, path, String(newest + 1)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout! })
    const acknowledged: number[] = []
    let full = 0
    lines.on('line', (line) => (line === 'full' ? full++ : acknowledged.push(Number(line))))
    const exited = once(child, 'exit')
    const closed = once(lines, 'close')
    while (full < 20 + round * 13 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(child.exitCode).toBe(null)
    child.kill('SIGKILL')
    await Promise.all([exited, closed])
    rmSync(other)
    newest = Math.max(newest, acknowledged.at(-1)!)
    refused += full
    const store = fileStore(path)
    const rows = rowsOf(store.table('t')) as { id: number; n: number; text: string }[]
    for (const { id, n, text } of rows) expect([n % 100, text]).toEqual([id, `${n},`.repeat(2000)])
    const last = new Map(acknowledged.map((n) => [n % 100, n]))
    for (const [id, n] of last) expect(rows.find((row) => row.id === id)!.n).toBeGreaterThanOrEqual(n)
    newest = Math.max(newest, ...rows.map(({ n }) => n))
    await store.checkpoint()
    await closeChecked(store)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  }
  expect(refused).toBeGreaterThan(KILLS)
})

test('a save that fails on a full device gives commits back the space that they had', async ({ skip }) => {
  const folder = smallDevice()
  if (folder === undefined) return skip('this process may not mount a file system')
  const store = fileStore(join(folder, 'test.heap'), { checkpoint: { logBytes: 1 << 30 }, segmentBytes: 1 << 20 })
  store.write((tx) => tx.createTable('t', DEFINITION))
  const put = (id: number): void => store.write((tx) => tx.upsert('t', { id, text: `${id},`.repeat(4000) }))
  await store.bulkWrite(
    async (tx) => {
      for (let id = 0; id < 300; id++) tx.insert('t', { id, text: `${id}`.repeat(6000) })
    },
    { log: false },
  )
  for (let id = 0; id < 300; id++) put(id)
  const free = (): number => statfsSync(folder).bavail * statfsSync(folder).bsize
  writeFileSync(join(folder, 'other'), Buffer.alloc(Math.max(0, free() - (2 << 20))))
  const before = free()
  expect(await rejectionOf(store.checkpoint())).toMatchObject({ code: 'IO', details: { systemCode: 'ENOSPC' } })
  expect(free()).toBe(before)
  for (let id = 300; id < 310; id++) put(id)
  rmSync(join(folder, 'other'))
  await store.checkpoint()
})
