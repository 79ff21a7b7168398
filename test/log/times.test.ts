import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Times } from '../../src/log/times'

const MINUTE = 60_000
const YEAR = 365 * 86_400_000

/** What the times of commits with these clocks come to; versions count from 1. */
function ordered(clocks: readonly number[], now: number): number[] {
  const times = new Times()
  for (const [i, clock] of clocks.entries()) times.add(i + 1, clock)
  const order = times.order(now)
  return clocks.map((clock, i) => order.timeOf(i + 1, clock))
}

const anyStep = fc.oneof(
  fc.constantFrom(-YEAR, YEAR, -3_600_000, 3_600_000, -10_000, 10_000),
  fc.integer({ min: -YEAR, max: YEAR }),
)
/** By more than any history below takes. */
const largeStep = fc.oneof(fc.integer({ min: -YEAR, max: -YEAR / 10 }), fc.integer({ min: YEAR / 10, max: YEAR }))

/** Commits that are true to the time, and stretches of them during which the clock was wrong by as much. */
const histories = (step: fc.Arbitrary<number>) =>
  fc
    .array(
      fc.record({
        commits: fc.integer({ min: 1, max: 40 }),
        stepMs: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 5 * MINUTE })),
        wrong: fc.option(
          fc.record({
            commits: fc.integer({ min: 1, max: 60 }),
            byMs: step,
          }),
        ),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((stretches) => {
      const commits: { trueMs: number; clockMs: number; isWrong: boolean }[] = []
      let now = 1_000_000_000_000
      for (const { commits: count, stepMs, wrong } of stretches) {
        for (let i = 0; i < count; i++) commits.push({ trueMs: (now += stepMs), clockMs: now, isWrong: false })
        for (let i = wrong?.commits ?? 0; i > 0; i--)
          commits.push({ trueMs: (now += stepMs), clockMs: now + wrong!.byMs, isWrong: true })
      }
      return { commits, nowMs: now + 1 }
    })

describe('the order of times', () => {
  test('where the clock never went back, times are what it said', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e6 })), (given) => {
        const clocks = [...given].sort((a, b) => a - b)
        expect(ordered(clocks, 1e6)).toEqual(clocks)
      }),
    )
  })

  test('times never go back, and end by now, whatever the clocks said', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -YEAR, max: YEAR })),
        fc.integer({ min: -YEAR, max: YEAR }),
        (clocks, now) => {
          const times = ordered(clocks, now)
          expect(times).toEqual([...times].sort((a, b) => a - b))
        },
      ),
    )
    fc.assert(
      fc.property(histories(anyStep), ({ commits, nowMs }) => {
        const clocks = commits.map(({ clockMs }) => clockMs)
        const times = ordered(clocks, nowMs)
        expect(times).toEqual([...times].sort((a, b) => a - b))
        if (clocks.filter((clock) => clock > nowMs).length * 2 < clocks.length)
          expect(times.at(-1)).toBeLessThanOrEqual(nowMs)
      }),
    )
  })

  test('where no clock agrees with most others, commits count as made by now', () => {
    const now = 1_000_000_000_000
    expect(ordered([now + 2 * YEAR, now + YEAR], now)).toEqual([now, now])
    expect(ordered([now + 3 * YEAR, now + 2 * YEAR, now + YEAR], now)).toEqual([now, now, now])
  })

  test('not more commits are moved by more than a minute than there are with a wrong clock', () => {
    fc.assert(
      fc.property(histories(anyStep), ({ commits, nowMs }) => {
        const wrong = commits.filter(({ isWrong }) => isWrong).length
        fc.pre(wrong * 2 < commits.length)
        const times = ordered(
          commits.map(({ clockMs }) => clockMs),
          nowMs,
        )
        const moved = commits.filter(({ clockMs, isWrong }, i) => !isWrong && Math.abs(times[i] - clockMs) > MINUTE)
        expect(moved.length).toBeLessThanOrEqual(wrong)
      }),
      { numRuns: 500 },
    )
  })

  test('a clock that is seconds behind for one commit does not put those after it out of line', () => {
    const now = 1_000_000_000_000
    const clocks = [now, now - YEAR, now, now, now - 10_000, now, now]
    expect(ordered(clocks, now + 1)).toEqual(clocks.map(() => now))
  })

  test('clocks that are far off after more commits than they made move no other commit by a minute', () => {
    fc.assert(
      fc.property(histories(largeStep), ({ commits, nowMs }) => {
        const wrong = commits.filter(({ isWrong }) => isWrong).length
        const first = commits[0].clockMs
        // as many true ones before, a millisecond apart
        const before = Array.from({ length: wrong + 1 }, (_, i) => first - wrong - 1 + i)
        const times = ordered([...before, ...commits.map(({ clockMs }) => clockMs)], nowMs).slice(before.length)
        for (const [i, { trueMs, isWrong }] of commits.entries())
          if (!isWrong) expect(Math.abs(times[i] - trueMs)).toBeLessThan(MINUTE)
      }),
      { numRuns: 500 },
    )
  })

  test('of commits that are more than a minute apart, as many as can be count as they are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 }), (minutes) => {
        const clocks = minutes.map((each) => each * 2 * MINUTE)
        const now = 100 * MINUTE
        const times = ordered(clocks, now)
        const kept = clocks.filter((clock, i) => times[i] === clock).length
        expect(kept).toBeGreaterThanOrEqual(mostInOrder(clocks, now))
      }),
    )
  })

  test.each([
    ['a year ahead', YEAR],
    ['a year back', -YEAR],
  ])('a clock that is %s for one commit or many leaves the others where they are', (_, byMs) => {
    for (const count of [1, 7]) {
      const clocks = Array.from({ length: 20 }, (_each, i) => i * 3_600_000 + (i >= 10 && i < 10 + count ? byMs : 0))
      const expected = clocks.map((clock, i) => (i >= 10 && i < 10 + count ? 9 * 3_600_000 : clock))
      expect(ordered(clocks, 21 * 3_600_000)).toEqual(expected)
    }
  })

  test('the newest commits count as they are where most are later than now: then the clock is wrong now', () => {
    const clocks = [1, 2, 3, 4].map((each) => each * YEAR)
    expect(ordered(clocks, 0)).toEqual(clocks)
  })

  test('the first commits take the time of the first that is in line', () => {
    expect(ordered([YEAR, 0, MINUTE, 2 * MINUTE], 3 * MINUTE)).toEqual([0, 0, MINUTE, 2 * MINUTE])
  })
})

/**
 * The most commits in one sequence that never goes back and, where now is in it, ends by now, which weighs half of all.
 */
function mostInOrder(clocks: readonly number[], now: number): number {
  const longest = (most: number): number => {
    const ends: number[] = []
    for (const [i, clock] of clocks.entries()) {
      if (clock > most) continue
      ends[i] = 1
      for (let j = 0; j < i; j++)
        if (clocks[j] <= clock && ends[j] !== undefined) ends[i] = Math.max(ends[i], ends[j] + 1)
    }
    return Math.max(0, ...ends.filter((each) => each !== undefined))
  }
  const [any, byNow] = [longest(Number.POSITIVE_INFINITY), longest(now)]
  return byNow + clocks.length / 2 >= any ? byNow : any
}
