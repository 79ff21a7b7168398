import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { fileStore, temporaryPath } from '../support/store'

interface Seen {
  version: number
  sum: number
  rows: number
  problems: string[]
}

const runBundled = fileURLToPath(new URL('../../scripts/run-bundled.mjs', import.meta.url))
const script = fileURLToPath(new URL('./support/follow-store.ts', import.meta.url))

/** A process that follows a database and says what it sees. */
class FollowerProcess {
  readonly seen: Seen[] = []
  private constructor(readonly child: ChildProcess) {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.seen.push(JSON.parse(line))
    })
  }

  static async start(path: string): Promise<FollowerProcess> {
    const child = spawn(process.execPath, [runBundled, script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const follower = new FollowerProcess(child)
    onTestFinished(() => follower.kill())
    await follower.until((seen) => seen.length > 0)
    return follower
  }

  async until(isThere: (seen: readonly Seen[]) => boolean): Promise<void> {
    while (!isThere(this.seen)) {
      if (this.child.exitCode !== null) throw new Error(`the follower ended with ${this.child.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

test('followers in other processes see whole commits only, and killing one changes nothing for the writer', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', segmentBytes: 20_000, checkpoint: { logBytes: 60_000 } })
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'integer', text: 'string' } })
    for (let id = 0; id < 20; id++) tx.insert('t', { id, v: 0, text: '' })
  })
  await store.sync()
  const [first, second] = [await FollowerProcess.start(path), await FollowerProcess.start(path)]
  for (let round = 1; round <= 300; round++) {
    // money moves: the sum is 0 after every commit, never in between
    store.write((tx) => {
      const [from, to] = [round % 20, (round * 7 + 3) % 20]
      if (from === to) return
      tx.update('t', from, { v: store.table('t').column('v').number(from) - round, text: `gave ${round}` })
      tx.update('t', to, { v: store.table('t').column('v').number(to) + round, text: `took ${round}` })
    })
    if (round === 150) await first.kill()
    if (round % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await second.until((seen) => seen.at(-1)!.version === store.version)
  for (const { sum, rows, problems } of [...first.seen, ...second.seen]) {
    expect({ sum, rows, problems }).toEqual({ sum: 0, rows: 20, problems: [] })
  }
  expect(second.seen.length).toBeGreaterThan(5)
  const versions = second.seen.map(({ version }) => version)
  expect(versions).toEqual([...versions].sort((a, b) => a - b))
})
