import { show } from '../arguments'
import { SnapheapError } from '../errors'

/** Throws `INVALID_ARGUMENT` unless a number of results is an integer from `least` on. */
export function ensureCount(count: number, what: string, least = 0): number {
  if (Number.isSafeInteger(count) && count >= least) return count
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${show(count)} is no number of results for ${what}. Pass an integer from ${least} on.`,
  )
}
