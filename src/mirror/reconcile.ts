import type pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { emptyRelations, type SourceTable } from './catalogue'
import { queryRows } from './connection'
import { ensureDdlTrigger } from './ddl-trigger'
import type { Doubts } from './doubts'
import { formatLsn, type Lsn, NO_LSN, parseLsn } from './lsn'
import { type MirroredTable, mirrorName, planTable, type TablePlan } from './mirrored-table'
import { ensureFits, ensurePublication, publicationIdentity, readPublication } from './publication'
import { type SlotStatus, slotStatus } from './slot'
import { ensureReplaceable, type KeptCopy, keptCopies, type MirrorState, readState, servedTables } from './state'
import type { Replacement } from './swap'
import type { UnfitTables } from './table-findings'

/** `server_version_num` from which on a table is published once it has been attached. */
const PUBLISHES_LEAVES_AT_ONCE = 150_000
const AT_REST_WITHIN_MS = 1_000
const LOOK_AGAIN_MS = 20

export interface ReconcileRequest {
  store: Store
  slot: string
  publication: string
  /** Identity of the mirror, by which it knows its publication. */
  id: string
  isStandby: boolean
  doubts: Doubts
  /** They are left as they are. */
  unfit: UnfitTables
  ddlTrigger: boolean
}

/** What must be done so that the heap can follow the stream. */
export interface Plan {
  /** The tables as the server has them. */
  sources: SourceTable[]
  /** By oid: the table's entry in the publication. */
  publishedAs: ReadonlyMap<number, string>
  systemId: string
  publication: string
  /** End of the server's log. */
  endLsn: Lsn
  /** The slot's own place: what comes after is sent. */
  confirmedLsn: Lsn
  /** Where the stream must begin, or behind, before it tells of all leaves: see `staleLeaves`. */
  settledLsn: Lsn
  /** The slot is kept on standby servers; undefined where there is none. */
  isFailover: boolean | undefined
  /** The heap cannot go on from where it stands: everything is copied, from a new slot on. */
  restart: { reason: string; isFirst: boolean } | undefined
  /**
   * The whole copies of an interrupted restart, if that has begun any; everything below is planned as if these were in
   * place.
   */
  resumed: { lsn: Lsn; copies: Replacement[] } | undefined
  /** Tables to be made anew. */
  anew: SourceTable[]
  /** What brings the others into step. With `restart` all of their rows are copied, and nothing else is to be done. */
  changes: { source: SourceTable; plan: TablePlan }[]
  /** Names of tables that are mirrored no longer. */
  removed: string[]
}

/**
 * Compares what the heap holds with what the server has in `sources`, which were found fit. Sets up the publication;
 * changes nothing else. Throws `POSTGRES`, and `EXISTS` for a table of that name that is not a mirrored one.
 */
export async function reconcile(
  client: pg.Client,
  replication: pg.Client,
  sources: SourceTable[],
  request: ReconcileRequest,
): Promise<Plan> {
  const { store, slot, publication, doubts } = request
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
  const before = publicationIdentity(await readPublication(client, publication, sources), sources)
  if (!request.isStandby) {
    await ensurePublication(client, publication, sources, request.id)
    if (request.ddlTrigger) await ensureDdlTrigger(client, slot)
  }
  const found = await readPublication(client, publication, sources)
  ensureFits(publication, found, sources)
  const published = publicationIdentity(found, sources)
  const server = await identifyServer(client, replication)
  const state = readState(store, slot)
  const status = await slotAtRest(client, slot)
  if (status?.activePid !== undefined) throw inUse(slot, status.activePid)
  const current = { ...server, publication: before.publication }
  const resumed = doubts.isOtherHistory ? undefined : resumable(keptCopies(store, slot), sources, current, status)
  const reason =
    resumed !== undefined
      ? undefined
      : doubts.isOtherHistory
        ? 'the server has another history than the tables'
        : reasonToRestart(request, state, current, status)
  const served = servedTables(store, slot)
  for (const { name, description } of resumed?.copies ?? []) served.set(name, description)
  const plan: Plan = {
    sources,
    publishedAs: published.entries,
    systemId: server.systemId,
    publication: published.publication,
    endLsn: server.endLsn,
    confirmedLsn: status?.confirmedLsn ?? server.endLsn,
    settledLsn: NO_LSN,
    isFailover: status?.isFailover,
    restart: reason === undefined ? undefined : { reason, isFirst: state === undefined },
    resumed,
    anew: [],
    changes: [],
    removed: [...served.keys()].filter((name) => !names.includes(name) && !request.unfit.has(name)),
  }
  const hasStaleLeaves = server.version < PUBLISHES_LEAVES_AT_ONCE
  const empty = await emptyRelations(client, hasStaleLeaves ? [] : newLeaves(sources, served))
  for (const source of sources) {
    const mirrored = served.get(mirrorName(source))
    const change = mirrored && planTable(mirrored, source, published.entries.get(source.oid) ?? '')
    const isAnew = change === undefined || (reason !== undefined && change.steps.length > 0)
    if (isAnew) plan.anew.push(source)
    else if (reason !== undefined || doubts.oids.has(source.oid))
      plan.changes.push({ source, plan: { ...change, copied: source.leaves } })
    else plan.changes.push({ source, plan: { ...change, copied: change.copied.filter(({ oid }) => !empty.has(oid)) } })
  }
  if (hasStaleLeaves && reason === undefined)
    plan.settledLsn = doubts.noteAttached(staleLeaves(plan.changes, served), server.endLsn)
  return plan
}

/**
 * Leaves of which the stream may not tell. Before version 15 a WAL sender that has come upon a table before it was
 * attached leaves it out as long as it runs (pgoutput.c: a relation's entry is valid until the publication changes).
 */
function staleLeaves(changes: Plan['changes'], served: ReadonlyMap<string, MirroredTable>): number[] {
  return changes.flatMap(({ source, plan: { copied } }) => {
    const known = served.get(mirrorName(source))!.leaves
    return copied.filter(({ oid, attachedBy }) => known[oid]?.attachedBy !== attachedBy).map(({ oid }) => oid)
  })
}

/**
 * Leaves that are seen for the first time. One that holds nothing when it has become one needs no copy: what is in it
 * later will have come in the stream.
 */
function newLeaves(sources: readonly SourceTable[], served: ReadonlyMap<string, MirroredTable>): number[] {
  return sources.flatMap((source) => {
    const known = served.get(mirrorName(source))?.leaves
    return known === undefined ? [] : source.leaves.map(({ oid }) => oid).filter((oid) => known[oid] === undefined)
  })
}

/**
 * The slot once no connection streams from it: until then its place may move, by what an earlier connection has still
 * told the server. A slot that stays in use is returned as it is after a while.
 */
async function slotAtRest(client: pg.Client, slot: string): Promise<SlotStatus | undefined> {
  const giveUpMs = performance.now() + AT_REST_WITHIN_MS
  for (;;) {
    const status = await slotStatus(client, slot)
    if (status?.isActive !== true || performance.now() > giveUpMs) return status
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}

interface ServerIdentity {
  systemId: string
  endLsn: Lsn
  /** Its next transaction id, modulo 2^32. */
  nextXid: number
  /** `server_version_num` */
  version: number
}

/**
 * The copies of an interrupted restart, if the slot that it has made proves that the stream goes on from them: it
 * stands exactly where they were taken, which no other slot does, and nothing has been streamed from it.
 */
function resumable(
  kept: readonly KeptCopy[],
  sources: readonly SourceTable[],
  server: ServerIdentity & { publication: string },
  status: SlotStatus | undefined,
): Plan['resumed'] {
  if (status === undefined || status.isLost) return undefined
  const proven = kept.filter(
    ({ note, description }) =>
      note.isAtSlot &&
      note.lsn === formatLsn(status.confirmedLsn) &&
      note.systemId === server.systemId &&
      note.publication === server.publication &&
      sources.some(({ oid }) => oid === description.oid),
  )
  const copies = proven.flatMap(({ copyName, description, note }): Replacement[] => {
    const source = sources.find(({ oid }) => oid === description.oid)!
    return note.isWhole ? [{ name: mirrorName(source), copyName, description, leaves: note.leaves ?? undefined }] : []
  })
  return proven.length === 0 ? undefined : { lsn: status.confirmedLsn, copies }
}

/** Why the stream cannot be taken up where the heap stands, undefined if it can. */
function reasonToRestart(
  { slot, store, isStandby }: ReconcileRequest,
  state: MirrorState | undefined,
  server: ServerIdentity & { publication: string },
  status: SlotStatus | undefined,
): string | undefined {
  if (state === undefined) return 'nothing has been copied yet'
  if (state.systemId !== server.systemId) return 'this is another Postgres server than before'
  const isTemporary = store.path === undefined
  if (isStandby) ensureGoesOn(slot, state, server, status === undefined && !isTemporary)
  if (server.endLsn < state.lsn)
    return (
      `the log of the server ends at ${formatLsn(server.endLsn)}, before the ${formatLsn(state.lsn)} of the data: ` +
      'it was restored to an earlier state'
    )
  if (state.lastXid !== null && ((server.nextXid - state.lastXid) | 0) <= 0)
    return 'the server has not come to the transactions of the data: it was restored to an earlier state'
  // Decoding of the log from before would fail, or leave out what was not published meanwhile.
  if (state.publication !== server.publication) return 'the publication was changed, or dropped and made anew'
  if (status === undefined && isTemporary) return 'the slot of a database in memory goes with its connection'
  if (status === undefined) return `the replication slot "${slot}" was dropped`
  if (status.isLost) return `the server has removed log that the replication slot "${slot}" still needed`
  // The server would silently start at its own place.
  if (status.confirmedLsn > state.lsn) {
    return (
      `the replication slot "${slot}" is at ${formatLsn(status.confirmedLsn)}, beyond the ${formatLsn(state.lsn)} ` +
      'of the data'
    )
  }
  return undefined
}

/**
 * Whatever streams from the slot is not ended, nor is the slot taken from it: it may be a mirror of a copy of the same
 * file.
 */
function inUse(slot: string, activePid: number): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: the replication slot "${slot}" is in use by server process ${activePid}: for another mirror, as of ` +
      'a copy of this database file, or for a lost connection of this one. End that one, or name another slot.',
    { slot, activePid, isTransient: true },
  )
}

/**
 * A standby seen instead of the primary, as while that is replaced, is waited for: it may be promoted, and it may come
 * to where the tables are. Throws `POSTGRES`.
 */
function ensureGoesOn(slot: string, state: MirrorState, server: ServerIdentity, lacksSlot: boolean): void {
  const lack = lacksSlot
    ? `has no replication slot "${slot}"`
    : `has come to ${formatLsn(server.endLsn)}, and the tables are at ${formatLsn(state.lsn)}`
  if (!lacksSlot && server.endLsn >= state.lsn) return
  throw new SnapheapError(
    'POSTGRES',
    `Postgres: the server is a standby that ${lack}. The mirror waits for it; connect to the primary, or mirror ` +
      'the standby into another database.',
    { slot, isTransient: true },
  )
}

async function identifyServer(client: pg.Client, replication: pg.Client): Promise<ServerIdentity> {
  const doing = 'identifying the server failed'
  const [system] = await queryRows<{ systemid: string; xlogpos: string }>(replication, doing, 'IDENTIFY_SYSTEM')
  const [next] = await queryRows<{ xid: string; version: number }>(
    client,
    doing,
    `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid,
            current_setting('server_version_num')::int AS version`,
  )
  return {
    systemId: system!.systemid,
    endLsn: parseLsn(system!.xlogpos),
    nextXid: Number(BigInt(next!.xid) & 0xffff_ffffn),
    version: next!.version,
  }
}
