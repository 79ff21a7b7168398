import { show } from '../arguments'
import { SnapheapError } from '../errors'

/** Throws `INVALID_ARGUMENT` for what cannot name a thing. */
export function checkName(what: 'table' | 'column' | 'index' | 'index type', name: unknown): asserts name is string {
  if (typeof name !== 'string' || name === '' || name.length > 200 || name === '__proto__') {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${what.startsWith('index') ? 'An' : 'A'} ${what} name is a string of 1 to 200 characters other than ` +
        `"__proto__", not ${show(name)}.`,
    )
  }
}
