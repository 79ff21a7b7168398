import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { bundleProgram } from '../support/program'
import { fileStore, temporaryPath } from '../support/store'

interface Seen {
  version: number
  sum: number
  rows: number
  problems: string[]
}

/** A thread that follows a database and says what it sees. */
class FollowerThread {
  readonly seen: Seen[] = []
  private failure: unknown
  private readonly worker: Worker

  constructor(bundle: string, path: string) {
    this.worker = new Worker(bundle, { workerData: path })
    this.worker.on('message', (seen) => this.seen.push(seen))
    this.worker.on('error', (error) => {
      this.failure = error
    })
    onTestFinished(() => this.terminate())
  }

  async until(isThere: (seen: readonly Seen[]) => boolean): Promise<void> {
    while (!isThere(this.seen)) {
      if (this.failure !== undefined) throw this.failure
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Ends it wherever it is, without a word. */
  async terminate(): Promise<void> {
    await this.worker.terminate()
  }
}

test('followers in worker threads see whole commits only; ending one at any moment changes nothing for writer and others', async () => {
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL('./support/follow-worker.ts', import.meta.url)))
  onTestFinished(remove)
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', segmentBytes: 20_000, checkpoint: { logBytes: 60_000 } })
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'integer', text: 'string' } })
    for (let id = 0; id < 20; id++) tx.insert('t', { id, v: 0, text: '' })
  })
  await store.sync()
  const lasting = new FollowerThread(bundle, path)
  const threads = [lasting]
  await lasting.until((seen) => seen.length > 0)
  let ending = new FollowerThread(bundle, path)
  for (let round = 1; round <= 200; round++) {
    // money moves: the sum is 0 after every commit, never in between
    store.write((tx) => {
      const [from, to] = [round % 20, (round * 7 + 3) % 20]
      if (from === to) return
      tx.update('t', from, { v: store.table('t').column('v').number(from) - round, text: `gave ${round}` })
      tx.update('t', to, { v: store.table('t').column('v').number(to) + round, text: `took ${round}` })
    })
    if (round % 25 === 0) {
      threads.push(ending)
      if (round % 50 === 0) await ending.until((seen) => seen.length > 0) // else it may be ended while it opens
      await ending.terminate()
      ending = new FollowerThread(bundle, path)
    }
    if (round % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await lasting.until((seen) => seen.at(-1)!.version === store.version)
  await ending.until((seen) => seen.at(-1)?.version === store.version)
  expect(threads.length).toBe(9)
  for (const { seen } of [...threads, ending]) {
    for (const { sum, rows, problems } of seen)
      expect({ sum, rows, problems }).toEqual({ sum: 0, rows: 20, problems: [] })
    const versions = seen.map(({ version }) => version)
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
  }
})
