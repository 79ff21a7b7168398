import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Heap } from '../src/heap/heap'
import { BLOCK_WORDS } from '../src/heap/layout'
import { loadNativeMemory } from '../src/heap/native-memory'
import { open } from '../src/index'
import { temporaryFolder } from './folders'
import { type Apart, median, once } from './harness'
import { snapheapOrders } from './orders'

const GIGABYTE_WORDS = 2 ** 27
const PAGE_BYTES = 4096
const ORDERS = 1_000_000
const ROUNDS_IN_PROCESS = 9

/** Something opened: how its first value is read, and how it is closed. */
interface Opened {
  read(): unknown
  close(): unknown
}

/**
 * Opening a file and reading one value: a heap of 10 GB of addresses with 100 blocks written, a full one of 2 GB, and a
 * database of a million orders. Next to that a page of 4 KiB mapped and touched, which is one page fault, read by
 * `read`, and read as a whole file. All of them are in the page cache.
 */
export const task: Apart = {
  rows: 2 * GIGABYTE_WORDS,
  contenders(words) {
    const folder = once(temporaryFolder)
    const heap = (size: number, step: number) => ({
      share: () => makeHeap(join(folder(), `${size}-${step}.heap`), size, step),
      measure: async (shared: unknown) => {
        const { path, address } = shared as { path: string; address: number }
        return timed(path, () => {
          const opened = Heap.open(loadNativeMemory()!, path, { create: false, readOnly: true })
          return { read: () => opened.live.number(address + 7), close: () => opened.close() }
        })
      },
    })
    const page = (openPage: (path: string) => Opened) => ({
      share: async () => makePage(join(folder(), 'page')),
      measure: (path: unknown) => timed(path as string, () => openPage(path as string)),
    })
    return {
      'sparse-10-gb': heap(10 * GIGABYTE_WORDS, (10 * GIGABYTE_WORDS) / 100),
      'full-2-gb': heap(words, BLOCK_WORDS),
      orders: {
        share: () => makeOrders(join(folder(), 'orders.heap')),
        measure: (path) => timed(path as string, () => openOrders(path as string)),
      },
      'page-mapped': page(mapPage),
      'page-read': page(readPage),
      'page-file': page((path) => ({ read: () => readFileSync(path)[7], close: () => {} })),
    }
  },
}

async function timed(path: string, openIt: () => Opened | Promise<Opened>) {
  const opened: number[] = []
  const read: number[] = []
  for (let round = 0; round < ROUNDS_IN_PROCESS; round++) {
    const start = performance.now()
    const it = await openIt()
    const between = performance.now()
    const value = it.read()
    read.push((performance.now() - between) * 1000)
    opened.push(between - start)
    if (value !== 8) throw new Error(`${path} has ${value} where 8 was written.`)
    await it.close()
  }
  const figures = { openMs: median(opened), firstReadUs: median(read), fileMb: statSync(path).size / 1e6 }
  return { figures }
}

/** Saves a heap with one large object of so many words, one of every `step` blocks of it filled. */
async function makeHeap(path: string, words: number, step: number): Promise<{ path: string; address: number }> {
  const heap = Heap.open(loadNativeMemory()!, path, { create: true, readOnly: false })
  heap.begin()
  const address = heap.allocator.allocate(words)
  heap.commit()
  for (let at = 0; at < words; at += step) {
    heap.begin()
    for (let i = 0; i < BLOCK_WORDS; i++) heap.writer.setNumber(address + at + i, at + i + 1)
    heap.commit()
  }
  await heap.save()
  await heap.close()
  return { path, address }
}

async function makeOrders(path: string): Promise<string> {
  const db = await snapheapOrders(ORDERS, path)
  db.write((tx) => tx.update('orders', ORDERS / 2, { amount: 8 }))
  await db.checkpoint()
  await db.close()
  return path
}

async function openOrders(path: string): Promise<Opened> {
  const db = await open(path, { readOnly: true })
  return {
    read: () =>
      db
        .table('orders')
        .column('amount')
        .number(ORDERS / 2),
    close: () => db.close(),
  }
}

function makePage(path: string): string {
  writeFileSync(path, Buffer.alloc(PAGE_BYTES, 8))
  return path
}

function mapPage(path: string): Opened {
  const memory = loadNativeMemory()!
  const fd = openSync(path, 'r')
  const window = memory.mapFile(fd, 0, PAGE_BYTES)
  const bytes = new Uint8Array(window)
  return {
    read: () => bytes[7],
    close() {
      memory.unmap(window)
      closeSync(fd)
    },
  }
}

function readPage(path: string): Opened {
  const fd = openSync(path, 'r')
  const bytes = new Uint8Array(PAGE_BYTES)
  return {
    read() {
      readSync(fd, bytes, 0, PAGE_BYTES, 0)
      return bytes[7]
    },
    close: () => closeSync(fd),
  }
}
