import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Heap } from '../src/heap/heap'
import { BLOCK_WORDS } from '../src/heap/layout'
import { loadNativeMemory } from '../src/heap/native-memory'
import { temporaryFolder } from './data'
import { median, type Result, round3 } from './harness'
import type { Task } from './run'

const GIGABYTE_WORDS = 2 ** 27

/** Opening a file and reading one word: a heap of 10 GB of addresses with 100 blocks written, and a full one of 2 GB. */
export const task: Task = {
  rows: 2 * GIGABYTE_WORDS,
  async run(words) {
    const folder = temporaryFolder()
    const sparse = await make(join(folder, 'sparse.heap'), 10 * GIGABYTE_WORDS, (10 * GIGABYTE_WORDS) / 100)
    const full = await make(join(folder, 'full.heap'), words, BLOCK_WORDS)
    return { snapheap: { ...(await time(sparse, 'sparse10Gb')), ...(await time(full, 'full2Gb')) } }
  },
}

/** Saves a heap with one large object of so many words, one of every `step` blocks of it filled. Returns the path and the object. */
async function make(path: string, words: number, step: number): Promise<{ path: string; address: number }> {
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

async function time({ path, address }: { path: string; address: number }, name: string): Promise<Result> {
  const opened: number[] = []
  const read: number[] = []
  for (let round = 0; round < 9; round++) {
    const start = performance.now()
    const heap = Heap.open(loadNativeMemory()!, path, { create: false, readOnly: true })
    opened.push(performance.now() - start)
    const between = performance.now()
    if (heap.live.number(address + 7) !== 8) throw new Error('wrong answer')
    read.push(performance.now() - between)
    await heap.close()
  }
  return {
    [`${name}OpenMs`]: round3(median(opened)),
    [`${name}FirstReadMs`]: round3(median(read)),
    [`${name}FileMb`]: Math.round(statSync(path).size / 1e6),
  }
}
