import { brand } from './kinds'
/** Every code a {@link SnapheapError} can carry, with what it means. Codes are stable; messages are not. */
export type ErrorCode =
  // arguments and misuse
  | 'INVALID_ARGUMENT' // a value of the wrong type or outside its range
  | 'CLOSED' // the database, snapshot, window or transaction has been closed
  | 'READ_ONLY' // a change was asked of something opened for reading
  | 'NO_TRANSACTION' // a change outside `db.write`
  | 'BUSY' // another transaction of this process is still open
  // files
  | 'NOT_FOUND' // a file, table, column, index or row that must exist does not
  | 'EXISTS' // something that must not exist does
  | 'LOCKED' // another process holds the writer lock
  | 'CORRUPT' // bytes that do not fit the format or their checksum
  | 'VERSION' // a file format version this build does not read
  | 'IO' // the operating system refused
  | 'HEAP_FULL' // the heap's address space is used up
  | 'INTERNAL' // an invariant of this library does not hold: a bug
  // data
  | 'TYPE' // a value that does not fit its column's type
  | 'UNIQUE' // a unique constraint would be broken
  | 'VALIDATION' // an object that the schema of its class refuses
  | 'NOT_NULL' // a required value is missing
  | 'REFERENCE' // a reference that must lead somewhere would not
  | 'CONFLICT' // what a transaction had read was changed by others, again and again
  | 'SCHEMA' // a class or a definition does not fit the stored table
  // mirror
  | 'PREFLIGHT' // the Postgres server or a table cannot be mirrored as it is
  | 'POSTGRES' // the Postgres server answered with an error
  | 'TIMEOUT' // something awaited did not happen in time
  | 'OUTCOME_UNKNOWN' // a transaction in Postgres was committed or not: find out before you run it again

/**
 * The only error this library throws on purpose. `message` names the thing at fault and ends in the remedy;
 * `code` is for programs; `cause` is the underlying error where there is one.
 */
export class SnapheapError extends Error {
  readonly code: ErrorCode
  /** The names the message speaks of (table, column, row, path, pid …), for programs. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SnapheapError'
    this.code = code
    this.details = Object.freeze({ ...details })
  }
}
brand(SnapheapError, 'SnapheapError')

/** Throws `INTERNAL` unless `condition` holds: for invariants of this library, never for a user's input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new SnapheapError('INTERNAL', `Invariant broken: ${message}. This is a bug in snapheap; please report it.`)
  }
}
