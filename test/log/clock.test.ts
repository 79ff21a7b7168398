import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/db/open-heap'
import { realWorld, type World } from '../../src/heap/world'
import { history } from '../../src/log/history'
import { closeChecked, errorOf, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'
import { StoreOverFiles } from './support/store-over-files'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * DAY
const START = Date.UTC(2026, 0, 1)

/** A world in which time passes when it is told to, and its clock on the wall is set. */
class Clocks {
  private trueMs = START
  errorMs = 0
  readonly world: World = {
    ...realWorld,
    nowMs: () => this.trueMs + this.errorMs,
    elapsedMs: () => this.trueMs - START,
  }

  get now(): number {
    return this.trueMs
  }

  pass(ms: number): number {
    this.trueMs += ms
    return this.trueMs
  }
}

function open(path: string, { world }: Clocks, options: StoreOptions = {}): StoreOverFiles {
  return StoreOverFiles.over(path, { retain: { log: '30 days' }, ...options, world })
}

function begin(store: StoreOverFiles): void {
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer' } }))
}

function put(store: StoreOverFiles, n: number): void {
  store.write((tx) => tx.upsert('t', { id: 1, n }))
}

describe.each([
  ['a year ahead', YEAR],
  ['a year back', -YEAR],
  ['an hour back', -HOUR],
])('with a clock that is %s', (_, errorMs) => {
  test.each([1, 8])(
    'for %i commits, asOf shows for each moment what was true then, within a session and between sessions',
    async (wrong) => {
      for (const reopens of [false, true]) {
        const path = temporaryPath()
        const clocks = new Clocks()
        let store = open(path, clocks)
        begin(store)
        const moments: { at: number; n: number }[] = []
        for (let n = 1; n <= 30; n++) {
          const isWrong = n > 12 && n <= 12 + wrong
          clocks.errorMs = isWrong ? errorMs : 0
          clocks.pass(10 * 60_000)
          if (reopens && (n === 13 || n === 13 + wrong)) {
            await store.close()
            store = open(path, clocks)
          }
          put(store, n)
          if (n % 7 === 0) await store.checkpoint()
          // commits with a wrong clock take the time of the one before
          if (!isWrong && n !== 12) moments.push({ at: clocks.pass(1), n })
        }
        for (const { at, n } of moments) {
          const past = store.asOf(new Date(at))
          expect(past.table('t').get(1)!.n).toBe(n)
          await past.close()
        }
        const times = [...history(store.memory, store.files, path, clocks.world)].map(({ time }) => time.getTime())
        expect(times).toEqual([...times].sort((a, b) => a - b))
        expect(times.at(-1)).toBeLessThanOrEqual(clocks.now)
        expect(errorOf(() => store.asOf(new Date(START - 1))).code).toBe('NOT_FOUND')
        await closeChecked(store)
      }
    },
  )

  test('for one commit or many, log is removed by age as ever', async () => {
    const counts = async (wrong: number): Promise<number[]> => {
      const path = temporaryPath()
      const clocks = new Clocks()
      const store = open(path, clocks, { retain: { log: '3 hours' }, segmentBytes: 1000, durability: 'interval' })
      begin(store)
      const kept: number[] = []
      for (let hour = 0; hour < 14; hour++) {
        for (let i = 0; i < 20; i++) {
          clocks.pass(3 * 60_000)
          clocks.errorMs = hour === 4 && i < wrong ? errorMs : 0
          put(store, hour * 20 + i)
          if (i % 4 === 3) await store.sync()
        }
        await store.checkpoint()
        kept.push(segmentsOf(path).length)
        const from = clocks.now - 3 * HOUR
        // at hour 6 the moment is just before the commits with a wrong clock, which take its time
        if (hour >= 3 && hour !== 4 && hour !== 6) {
          const past = store.asOf(new Date(from))
          expect(past.table('t').get(1)!.n).toBe(hour * 20 + 19 - 60)
          await past.close()
        }
      }
      await closeChecked(store)
      return kept
    }
    const sound = await counts(0)
    for (const wrong of [1, 10]) {
      const kept = await counts(wrong)
      expect(kept.at(-1)).toBe(sound.at(-1))
      for (const [hour, each] of kept.entries()) {
        expect(each).toBeGreaterThanOrEqual(sound[hour])
        // not for ever: those of the wrong hour at most, and of the one after
        expect(each).toBeLessThanOrEqual(sound[hour] + 10)
      }
    }
  })
})

test('checkpoints while the clock is a year ahead remove nothing that the true time would keep', async () => {
  for (const reopens of [false, true]) {
    const path = temporaryPath()
    const clocks = new Clocks()
    const options: StoreOptions = { retain: { log: '7 days' }, segmentBytes: 500 }
    let store = open(path, clocks, options)
    begin(store)
    for (let n = 1; n <= 50; n++) {
      clocks.pass(HOUR)
      put(store, n)
      if (n % 10 === 0) await store.checkpoint()
    }
    const before = segmentsOf(path)
    clocks.errorMs = YEAR
    if (reopens) {
      await store.close()
      store = open(path, clocks, options)
    }
    for (let n = 51; n <= 60; n++) {
      clocks.pass(60_000)
      put(store, n)
      await store.checkpoint()
    }
    expect(segmentsOf(path)).toEqual(expect.arrayContaining(before))
    clocks.errorMs = 0
    put(store, 61)
    const past = store.asOf(new Date(START + 20 * HOUR + 1))
    expect(past.table('t').get(1)!.n).toBe(20)
    await past.close()
    await closeChecked(store)
  }
})

test('a follower is behind by no more than the time since it had everything, whatever the clock said', async () => {
  const path = temporaryPath()
  const clocks = new Clocks()
  const store = open(path, clocks)
  begin(store)
  clocks.errorMs = -YEAR
  put(store, 1)
  clocks.errorMs = 0
  const follower = StoreOverFiles.over(path, {
    follow: true,
    world: { ...clocks.world, every: () => ({ cancel: () => undefined }) },
  })
  expect(follower.following!.lag()).toEqual({ bytes: 0, ms: 0 })
  clocks.pass(70)
  put(store, 2)
  const { bytes, ms } = follower.following!.lag()
  expect([bytes > 0, ms]).toEqual([true, 70])
  await follower.close()
  await closeChecked(store)
})
