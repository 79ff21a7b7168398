import pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect } from './connection'
import { dropDdlTrigger } from './ddl-trigger'
import { dropPublication } from './publication'
import { dropSlot } from './slot'
import { readIdentity } from './state'

export interface RemovalRequest {
  store: Store
  connection: ConnectionOptions
  slot: string
  publication: string
  /** The server process of a connection of this mirror that may still stream from the slot. */
  ownPid: number | undefined
  withinMs: number
  /** Publication and trigger stay. */
  isSlotOnly: boolean
}

/**
 * Removes from the server what a mirror has made there: its slot, its publication and its trigger. Throws `POSTGRES`,
 * `TIMEOUT`.
 */
export async function removeFromServer(request: RemovalRequest): Promise<void> {
  const { store, connection, slot, publication, ownPid, withinMs, isSlotOnly } = request
  const id = readIdentity(store, slot)
  if (id === undefined) return
  const signal = AbortSignal.timeout(Math.max(Math.ceil(withinMs), 0))
  try {
    const client = await connect(connection, 'query', undefined, signal)
    try {
      await dropSlot(client, slot, ownPid)
      if (isSlotOnly) return
      await dropPublication(client, publication, id)
      await dropDdlTrigger(client, slot)
    } finally {
      await disconnect(client)
    }
  } catch (error) {
    throw signal.aborted ? notRemoved(slot, publication, error) : error
  }
}

function notRemoved(slot: string, publication: string, cause: unknown): SnapheapError {
  return new SnapheapError(
    'TIMEOUT',
    'close could not remove slot and publication: the server did not answer in time. ' +
      'Remove them there, or it keeps its log for them: ' +
      `SELECT pg_drop_replication_slot('${slot}'); DROP PUBLICATION ${pg.escapeIdentifier(publication)};`,
    { slot, publication },
    cause,
  )
}
