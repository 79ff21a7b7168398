import type pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import type { SourceTable } from './catalogue'
import { queryRows } from './connection'
import { formatLsn, type Lsn, parseLsn } from './lsn'
import { type ColumnStep, mirrorName, planSteps } from './mirrored-table'
import { ensurePublication, publicationIdentity, slotStatus } from './slot'
import { ensureReplaceable, type MirrorState, readState, servedTables } from './state'

export interface ReconcileRequest {
  store: Store
  slot: string
  publication: string
  /** Oids of tables that must be copied in any case. */
  mistrusted: ReadonlySet<number>
}

/** What must be done so that the heap can follow the stream. */
export interface Plan {
  /** The tables as the server has them. */
  sources: SourceTable[]
  /** By oid: the table's entry in the publication. */
  publishedAs: ReadonlyMap<number, string>
  systemId: string
  publicationOid: string
  /** End of the server's log. */
  endLsn: Lsn
  /** The heap cannot go on from where it stands: everything is copied, from a new slot on. */
  restart: { reason: string; isFirst: boolean } | undefined
  /** Tables to be copied; with `restart` all of them. */
  copies: SourceTable[]
  /** Changes of tables that need no copy. */
  steps: { source: SourceTable; steps: ColumnStep[] }[]
  /** Names of tables that are mirrored no longer. */
  removed: string[]
}

/**
 * Compares what the heap holds with what the server has in `sources`, which were found fit. Sets up the publication;
 * changes nothing else. Throws `POSTGRES`, and `EXISTS` for a table of that name that is no mirror.
 */
export async function reconcile(
  client: pg.Client,
  replication: pg.Client,
  sources: SourceTable[],
  request: ReconcileRequest,
): Promise<Plan> {
  const { store, slot, publication, mistrusted } = request
  const names = sources.map(mirrorName)
  for (const [i, name] of names.entries()) {
    ensureReplaceable(store, slot, name)
    if (names.indexOf(name) !== i) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `Two tables would both be called ${name}. Rename one of them in Postgres.`,
      )
    }
  }
  await ensurePublication(client, publication, sources)
  const published = await publicationEntries(client, publication)
  const system = await identifySystem(replication)
  const state = readState(store, slot)
  const reason = await reasonToRestart(client, slot, state, system.systemId, published.oid)
  const served = servedTables(store, slot)
  const plan: Plan = {
    sources,
    publishedAs: published.entries,
    systemId: system.systemId,
    publicationOid: published.oid,
    endLsn: system.endLsn,
    restart: reason === undefined ? undefined : { reason, isFirst: state === undefined },
    copies: [],
    steps: [],
    removed: [...served.keys()].filter((name) => !names.includes(name)),
  }
  for (const source of sources) {
    const mirrored = served.get(mirrorName(source))
    const steps =
      reason !== undefined || mirrored === undefined || mistrusted.has(source.oid)
        ? undefined
        : planSteps(mirrored, source, published.entries.get(source.oid) ?? '')
    if (steps === undefined) plan.copies.push(source)
    else plan.steps.push({ source, steps })
  }
  return plan
}

/** Why the stream cannot be taken up where the heap stands, undefined if it can. */
async function reasonToRestart(
  client: pg.Client,
  slot: string,
  state: MirrorState | undefined,
  systemId: string,
  publicationOid: string,
): Promise<string | undefined> {
  if (state === undefined) {
    const { activePid } = (await slotStatus(client, slot)) ?? {}
    if (activePid === undefined) return 'nothing has been copied yet'
    throw new SnapheapError(
      'POSTGRES',
      `Postgres: the replication slot "${slot}" is in use by server process ${activePid}, for somebody else. Choose another slot name.`,
      { slot, activePid },
    )
  }
  if (state.systemId !== systemId) return 'this is another Postgres server than before'
  // Decoding of the log from before would fail, or leave out what was not published meanwhile.
  if (state.publicationOid !== publicationOid) return 'the publication was dropped and made anew'
  const status = await slotStatus(client, slot)
  if (status === undefined) return `the replication slot "${slot}" was dropped`
  if (status.isLost) return `the server has removed log that the replication slot "${slot}" still needed`
  // The server would silently start at its own place.
  if (status.confirmedLsn > state.lsn) {
    return `the replication slot "${slot}" is at ${formatLsn(status.confirmedLsn)}, beyond the ${formatLsn(state.lsn)} of the data`
  }
  return undefined
}

/** The publication's oid, and the entry of each table: both change when they are dropped and made anew. */
export async function publicationEntries(
  client: pg.Client,
  publication: string,
): Promise<{ oid: string; entries: Map<number, string> }> {
  const [oid = '', ...entries] = ((await publicationIdentity(client, publication)) ?? '').split(' ')
  return {
    oid,
    entries: new Map(
      entries.map((entry) => {
        const [entryOid, tableOid] = entry.split(':')
        return [Number(tableOid), entryOid!]
      }),
    ),
  }
}

async function identifySystem(replication: pg.Client): Promise<{ systemId: string; endLsn: Lsn }> {
  const [row] = await queryRows<{ systemid: string; xlogpos: string }>(
    replication,
    'identifying the server failed',
    'IDENTIFY_SYSTEM',
  )
  return { systemId: row!.systemid, endLsn: parseLsn(row!.xlogpos) }
}
