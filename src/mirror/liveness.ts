import type pg from 'pg'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import type { CopySilence } from './copy'
import { serverPid } from './cut-off'

/** A COPY that sends nothing for so long is asked for. */
const SILENT_COPY_MS = 20_000
/** Time for a server to say what one of its processes does. */
const LOOK_TIMEOUT_MS = 10_000

/**
 * Whether a server process works on a statement. One that waits for its client to read has sent what never arrived:
 * that connection is dead. Throws `POSTGRES`.
 */
export async function isAtWork(client: pg.Client, pid: number): Promise<boolean> {
  const [row] = await queryRows<{ isAtWork: boolean }>(
    client,
    'asking what a server process does failed',
    `SELECT state = 'active' AND wait_event IS DISTINCT FROM 'ClientWrite' AS "isAtWork"
     FROM pg_catalog.pg_stat_activity WHERE pid = ${pid}`,
    LOOK_TIMEOUT_MS,
  )
  return row?.isAtWork === true
}

/** The same over a connection of its own; false where the server cannot be asked. */
export async function isStillAtWork(options: ConnectionOptions, pid: number, signal?: AbortSignal): Promise<boolean> {
  try {
    const client = await connect(options, 'query', undefined, signal)
    try {
      return await isAtWork(client, pid)
    } finally {
      await disconnect(client)
    }
  } catch {
    return false
  }
}

/** For a COPY on `client`. */
export function copySilence(client: pg.Client, options: ConnectionOptions, signal: AbortSignal): CopySilence {
  return { afterMs: SILENT_COPY_MS, isAtWork: () => isStillAtWork(options, serverPid(client)!, signal) }
}
