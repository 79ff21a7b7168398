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

export interface BulkWriteOptions extends WriteOptions {
  /** False: log nothing; the commit is a checkpoint. Default true. */
  readonly log?: boolean
}

const WRITE_RULES: Readonly<Record<keyof WriteOptions, Rule>> = { sync: BOOLEAN }
export const BULK_WRITE_RULES: Readonly<Record<keyof BulkWriteOptions, Rule>> = { ...WRITE_RULES, log: BOOLEAN }
export const DEFAULT_WRITE_OPTIONS: WriteOptions = {}
export const SAVE_RULES: Readonly<Record<keyof SaveOptions, Rule>> = {
  replace: BOOLEAN,
  annotation: TEXT,
  onProgress: FUNCTION,
}
export const CHECKPOINT_RULES = { annotation: TEXT, onProgress: FUNCTION }

/** Checks the arguments of `called`, a method such as `db.write()`. */
export function ensureChange(
  called: string,
  change: unknown,
  options: WriteOptions,
  rules: Readonly<Record<string, Rule>> = WRITE_RULES,
): void {
  ensure(called, change, FUNCTION)
  if (options !== DEFAULT_WRITE_OPTIONS) ensureOptions(called, options, rules)
}

/** Throws if a synchronous change returned a promise, and ignores the rejection of that. */
export function ensureSynchronous(result: unknown): void {
  if (!isPromise(result)) return
  result.then(undefined, () => undefined)
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    'db.write() expects a synchronous function, got an async one. Await before it, or use db.bulkWrite() or ' +
      'db.transaction().',
  )
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
