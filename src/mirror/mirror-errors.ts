import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { postgresError } from './connection'

export function takenBackError(slot: string): SnapheapError {
  return new SnapheapError(
    'IO',
    `Changes from slot "${slot}" could not be made durable and were taken back. The mirror applies them again by ` +
      'itself.',
    { slot, isTransient: true },
  )
}

export function silentError(slot: string): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: the server does not answer on slot "${slot}", so what it has committed meanwhile is not known. ` +
      'Check the network and the load of the server. The mirror goes on by itself.',
    { slot, isTransient: true },
  )
}

/** Postgres tells two keys apart that are the same in a heap. */
export function sameKeyError(table: string, key: readonly string[], value: unknown): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: ${table} has two rows with different keys (${key.join(', ')}) that are the same in a heap, ` +
      `${JSON.stringify(value)}: it keeps neither the bounds of an array nor null as a document. Change one of them, ` +
      'or give the table another key.',
    { table, isTransient: true },
  )
}

export function closedError(): SnapheapError {
  return new SnapheapError('CLOSED', 'The mirror is closed. Start it again with mirror(db, …).')
}

/** Why a session has ended. If the database is closed, that is the reason, before any other failure. */
export function reasonOf(store: Store, error: unknown): SnapheapError {
  try {
    store.ensureOpen()
  } catch (closed) {
    return closed as SnapheapError
  }
  return error instanceof SnapheapError ? error : postgresError('mirroring failed', error)
}
