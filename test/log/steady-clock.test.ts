import { expect, test } from 'vitest'
import { SteadyClock } from '../../src/log/steady-clock'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * DAY

/** A clock on the wall and one that never goes back. */
class Clocks {
  wallMs = 50 * YEAR
  evenMs = 0

  pass(ms: number): this {
    this.wallMs += ms
    this.evenMs += ms
    return this
  }

  nowMs(): number {
    return this.wallMs
  }

  elapsedMs(): number {
    return this.evenMs
  }
}

test('a clock that runs evenly is believed, and one that goes back', () => {
  const clocks = new Clocks()
  const steady = new SteadyClock(clocks, clocks.wallMs - HOUR)
  for (const passed of [0, HOUR, 3 * DAY, YEAR]) {
    clocks.pass(passed)
    expect(steady.nowMs()).toBe(clocks.wallMs)
  }
  clocks.wallMs -= YEAR
  expect(steady.nowMs()).toBe(clocks.wallMs)
})

test('a clock that is set forward by a year stands still for an hour', () => {
  const clocks = new Clocks()
  const steady = new SteadyClock(clocks, clocks.wallMs)
  const before = clocks.wallMs
  clocks.wallMs += YEAR
  for (let minutes = 0; minutes < 60; minutes += 10) {
    expect(steady.nowMs()).toBe(before)
    clocks.pass(HOUR / 6)
  }
  expect(steady.nowMs()).toBe(clocks.wallMs)
})

test('a clock that was set forward and back again is believed at once', () => {
  const clocks = new Clocks()
  const steady = new SteadyClock(clocks, clocks.wallMs)
  clocks.wallMs += YEAR
  steady.nowMs()
  clocks.pass(1000).wallMs -= YEAR
  expect(steady.nowMs()).toBe(clocks.wallMs)
})

test('a clock that is a year further than when it was last looked at, in an earlier session, stands still for an hour', () => {
  const clocks = new Clocks()
  const steady = new SteadyClock(clocks, clocks.wallMs - YEAR)
  expect(steady.nowMs()).toBe(clocks.wallMs - YEAR)
  clocks.pass(HOUR)
  expect(steady.nowMs()).toBe(clocks.wallMs)
})
