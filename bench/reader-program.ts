import { isMainThread, parentPort } from 'node:worker_threads'
import { open } from '../src/index'
import { randomIntegers } from './harness'
import { digest, type Item, someIds } from './items'

/** What a reading thread or process is asked to do, and answers. */
export interface Questions {
  /** Its version, once it is ready. */
  start: { asked: undefined; answered: number }
  /**
   * When it saw which version (`process.hrtime`, in milliseconds), once it has seen the last; and what it holds then.
   */
  follow: {
    asked: { version: number; rows: number }
    answered: { seen: [version: number, atMs: number][]; state: number }
  }
  /** Reads so many random columns by random ids. */
  read: { asked: { reads: number; rows: number; seed: number }; answered: { total: number; tookMs: number } }
}

/**
 * The file that this module is bundled into: what a reading thread or process runs, with the path of a database as
 * argument, and `showUnsynced`.
 */
export const program = import.meta.filename

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

if (!isMainThread || process.argv[1] === program) {
  const db = await open(process.argv[2], { follow: true, showUnsynced: process.argv[3] === 'unsynced' })
  const items = db.table('items')
  const seen: [number, number][] = []
  db.following!.on('change', (version) => seen.push([version, nowMs()]))

  const answers: { [Q in keyof Questions]: (asked: Questions[Q]['asked']) => unknown } = {
    start: () => db.version,
    async follow({ version, rows }) {
      await db.following!.waitFor(version)
      return { seen, state: digest((id) => items.get(id) as unknown as Item, someIds(rows)) }
    },
    read({ reads, rows, seed }) {
      const ids = randomIntegers(1 << 20, rows, seed)
      const mask = ids.length - 1
      const { columns } = items
      let total = 0
      const start = performance.now()
      for (let i = 0; i < reads; i++) {
        const id = ids[i & mask]
        const value = columns[id % columns.length].get(items.rowOf(id))
        total += typeof value === 'number' ? value : (value as string).length
      }
      return { total, tookMs: performance.now() - start }
    },
  }
  const respond = async ({ question, asked }: { question: keyof Questions; asked: never }): Promise<void> => {
    const answer = await answers[question](asked)
    if (parentPort === null) process.send!(answer)
    else parentPort.postMessage(answer)
  }
  if (parentPort === null) process.on('message', respond).on('disconnect', () => process.exit())
  else parentPort.on('message', respond)
}
