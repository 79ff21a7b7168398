import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Checkpointer } from '../../src/db/checkpointer'
import { realWorld, type Timer, type World } from '../../src/heap/world'
import { segmentsOf } from '../log/support/damage'
import { StoreOverFiles } from '../log/support/store-over-files'
import { closeChecked, fileStore, temporaryPath } from '../support/store'

const OPTIONS = { checkpoint: { logBytes: 8000 }, segmentBytes: 1500 }

test('sessions of a few commits make checkpoints too, so that the log stays as short as in one long session', async () => {
  const path = temporaryPath()
  const counts: number[] = []
  for (let session = 0; session < 40; session++) {
    const store = fileStore(path, OPTIONS)
    if (session === 0)
      store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } }))
    for (let i = 0; i < 4; i++) store.write((tx) => tx.upsert('t', { id: i, text: `session ${session}, `.repeat(90) }))
    await closeChecked(store)
    counts.push(segmentsOf(path).length)
  }
  expect(existsSync(path)).toBe(true)
  const store = fileStore(path, OPTIONS)
  expect(store.recovery.commits).toBeLessThan(40)
  expect(Math.max(...counts.slice(-10))).toBeLessThanOrEqual(Math.max(...counts.slice(0, 25)))
  expect(store.table('t').get(3)).toEqual({ id: 3, text: 'session 39, '.repeat(90) })
})

/** A clock that is set, and timers that are looked at. */
class Clock {
  nowMs = 1_000_000
  readonly delays: number[] = []
  readonly world: World = {
    ...realWorld,
    nowMs: () => this.nowMs,
    after: (delayMs): Timer => {
      this.delays.push(delayMs)
      return { cancel: () => undefined }
    },
  }
}

test('a checkpoint by time is due so long after the last, whichever session made that', async () => {
  const path = temporaryPath()
  const clock = new Clock()
  const open = (): StoreOverFiles =>
    StoreOverFiles.over(path, { durability: 'commit', checkpoint: { intervalMs: 60_000 }, world: clock.world })
  const commit = (store: StoreOverFiles): void => store.write((tx) => void tx.setProperties('t', clock.nowMs))
  const first = open()
  first.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await first.checkpoint()
  commit(first)
  await closeChecked(first)
  const due: number[] = []
  for (const passedMs of [20_000, 30_000, 40_000, -500_000]) {
    clock.nowMs += passedMs
    const store = open()
    clock.delays.length = 0
    commit(store)
    due.push(clock.delays[0])
    await closeChecked(store)
  }
  // at last the clock is before the last checkpoint: then it is not waited for longer than ever
  expect(due).toEqual([40_000, 10_000, 0, 60_000])
})

test('a log without a file is due at once, and after a checkpoint the whole time passes', () => {
  const clock = new Clock()
  const checkpointer = new Checkpointer(
    { intervalMs: 60_000 },
    async () => undefined,
    () => undefined,
    clock.world,
    Number.POSITIVE_INFINITY,
  )
  checkpointer.committed(10)
  expect(clock.delays).toEqual([0])
})
