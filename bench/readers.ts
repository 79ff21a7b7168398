import { join } from 'node:path'
import { diskFolder } from './folders'
import { type Figures, median, type Together } from './harness'
import { snapheapWithItems } from './item-stores'
import { startReader } from './reader'

const READS = 2_000_000
const ROUNDS_IN_PROCESS = 5

/**
 * Random columns of random rows by id, read by one process that follows the database, and by two at the same time,
 * which is why they are measured together.
 */
export const task: Together = {
  rows: 1_000_000,
  async measure(rows) {
    const path = join(diskFolder(), 'read')
    const store = await snapheapWithItems(path, rows, {})
    const readers = await Promise.all([startReader('process', path), startReader('process', path)])
    const answers = readers.map((reader) => reader.ask('read', { reads: 10_000, rows, seed: 1 }))
    const [first, second] = await Promise.all(answers)
    if (first.total !== second.total) throw new Error('Two readers of one database read different values.')

    const perSecond: Record<number, number[]> = { 1: [], 2: [] }
    for (let round = 0; round <= ROUNDS_IN_PROCESS; round++) {
      for (const count of [1, 2]) {
        const asked = readers.slice(0, count).map((each, i) => each.ask('read', { reads: READS, rows, seed: 2 + i }))
        for (const { tookMs } of await Promise.all(asked)) if (round > 0) perSecond[count].push(READS / (tookMs / 1000))
      }
    }
    await Promise.all(readers.map((each) => each.end()))
    await store.close()
    const each = { 1: median(perSecond[1]), 2: median(perSecond[2]) }
    return {
      'snapheap-1': { perSecond: each[1] },
      'snapheap-2': {
        perSecond: each[2] * 2,
        perSecondEach: each[2],
        scaling: (each[2] * 2) / each[1],
      },
    } satisfies Record<string, Figures>
  },
}
