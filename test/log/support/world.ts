import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/** Runs something in a world without chance: random bytes and the clock follow from `random`. */
export async function withoutChance<T>(random: () => number, run: () => Promise<T>): Promise<T> {
  const { randomBytes } = crypto
  const { now } = Date
  let timeMs = 1_700_000_000_000
  Object.assign(crypto, {
    randomBytes: (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
  })
  syncBuiltinESMExports()
  Date.now = () => (timeMs += 1)
  try {
    return await run()
  } finally {
    Date.now = now
    Object.assign(crypto, { randomBytes })
    syncBuiltinESMExports()
  }
}
