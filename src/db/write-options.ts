import { BOOLEAN, ensure, ensureOptions, FUNCTION, type Rule, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import type { SaveOptions } from '../heap/storage'

export interface WriteOptions {
  /**
   * False: do not wait for the device even where the durability says so; `sync` waits for all such commits at once.
   * Default true.
   */
  readonly sync?: boolean
}

const WRITE_RULES = { sync: BOOLEAN }
export const DEFAULT_WRITE_OPTIONS: WriteOptions = {}
export const SAVE_RULES: Readonly<Record<keyof SaveOptions, Rule>> = {
  replace: BOOLEAN,
  annotation: TEXT,
  onProgress: FUNCTION,
}

export function ensureChange(change: unknown, options?: WriteOptions): void {
  ensure('What makes the change', change, FUNCTION)
  if (options !== undefined && options !== DEFAULT_WRITE_OPTIONS) ensureOptions('write', options, WRITE_RULES)
}

/** Throws if a synchronous change returned a promise, and ignores the rejection of that. */
export function ensureSynchronous(result: unknown): void {
  if (!isPromise(result)) return
  result.then(undefined, () => undefined)
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    'The function given to write is async, but a transaction is one synchronous step. Await before it, or use ' +
      'writeBeside.',
  )
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
