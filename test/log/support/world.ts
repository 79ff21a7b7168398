import crypto from 'node:crypto'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/** Between two looks at the clock that never goes back. */
const STEP_MS = 600

/**
 * Runs something in a world without chance: random bytes and the clocks follow from `random`, nothing happens by the clock,
 * and the file system tells of no change by itself.
 */
export async function withoutChance<T>(random: () => number, run: () => Promise<T>): Promise<T> {
  const { randomBytes } = crypto
  const { watch } = fs
  const { setInterval } = globalThis
  const { now } = Date
  let timeMs = 1_700_000_000_000
  let elapsedMs = 0
  Object.assign(crypto, {
    randomBytes: (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
  })
  Object.assign(fs, {
    watch: () => {
      throw new Error('nobody tells')
    },
  })
  syncBuiltinESMExports()
  Object.assign(globalThis, { setInterval: () => setTimeout(() => undefined, 2 ** 30) })
  Date.now = () => (timeMs += 1)
  performance.now = () => (elapsedMs += STEP_MS)
  try {
    return await run()
  } finally {
    Date.now = now
    Reflect.deleteProperty(performance, 'now')
    Object.assign(globalThis, { setInterval })
    Object.assign(crypto, { randomBytes })
    Object.assign(fs, { watch })
    syncBuiltinESMExports()
  }
}
