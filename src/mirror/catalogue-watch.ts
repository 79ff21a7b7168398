import type pg from 'pg'
import { SnapheapError } from '../errors'
import { tableChanged } from './apply'
import { readTables, readTablesByOid, type SourceTable } from './catalogue'
import { inOneSnapshot, queryRows } from './connection'
import type { Follower } from './follower'
import { FLUSH_LOG, type Lsn, parseLsn } from './lsn'
import { describeSource, isDone, type MirroredTable, mirrorName, planTable, withAddedLabels } from './mirrored-table'
import { publicationIdentity, readPublication } from './publication'
import { servedAs } from './renamed'
import { END_OF_LOG, type SlotStatus, slotStatus } from './slot'
import type { ReplicationStream } from './stream'
import { ANY_RELATION, type Description } from './transaction-buffer'

/** Until the next look after one that has found a table changed. */
const SOON_MS = 50
/** A transaction that was sent and cannot be seen yet waits for a synchronous standby: so long it is waited for. */
const VISIBLE_WITHIN_MS = 1_000
const LOOK_AGAIN_MS = 10

/** On a standby it does not list the transactions that are under way: none behind the oldest of them counts as seen. */
const SNAPSHOT = `CASE WHEN pg_is_in_recovery() THEN concat_ws(':', pg_snapshot_xmin(s), pg_snapshot_xmin(s), '')
  ELSE s::text END`

/** What a look sees, apart from the catalogue. */
interface ServerState {
  /** The transactions that are seen. */
  snapshot: string
  /** `snapshot` leaves some of them out. */
  isStandby: boolean
  isSynchronous: boolean
}

export interface WatchedCatalogue {
  slot: string
  publication: string
  /** Names of the tables, as in SQL. */
  tables: readonly string[]
  /** `PublicationIdentity`, as it was when the session began. */
  published: { publication: string }
  publishedAs: ReadonlyMap<number, string>
  /** Looks at what else may end the session, after each look. */
  lookFurther: () => Promise<void>
  /** The server process that streams to this mirror. */
  streamPid: number
  /** `acceptLabels` */
  acceptLabels: (before: MirroredTable, source: SourceTable) => Promise<boolean>
}

/**
 * Looks at slot, publication and tables from time to time, and whenever the stream describes a relation, before
 * anything is applied that comes behind that: what the stream says of a relation (names and types) does not tell
 * whether the columns are still the same. A look takes a fixed number of statements, and does not read the catalogue
 * where no transaction has ended since the one before: then it is the same.
 */
export class CatalogueWatch {
  /** As of the last look. */
  slotStatus: SlotStatus | undefined
  /** As of the last look: the server counts this mirror as a synchronous standby, which its commits wait for. */
  isSynchronous = false
  /** The server's transactions that the last look saw, and the tables that it found changed. */
  private seen = ''
  private changed: SourceTable[] = []
  /** The changed tables when one was seen first, and the end of the log after that. */
  private changeSeen: { readonly descriptions: string; readonly lsn: Lsn } | undefined
  private lookSoon: () => void = () => undefined
  private looking: Promise<unknown> = Promise.resolve()
  private flushing: Promise<void> | undefined
  /** The tables as they were when the session began, with labels that were accepted since, by oid. */
  private readonly descriptions: Map<number, MirroredTable>

  constructor(
    private readonly client: pg.Client,
    private readonly sources: ReadonlyMap<number, SourceTable>,
    private readonly watched: WatchedCatalogue,
  ) {
    this.descriptions = new Map([...sources].map(([oid, source]) => [oid, describeSource(source, '')]))
  }

  /** Looks until something has changed, which it rejects with: `POSTGRES`, `SCHEMA`. */
  async run(intervalMs: number, follower: Follower, stream: ReplicationStream, onLook: () => void): Promise<never> {
    for (;;) {
      const nextLook = new Promise<void>((resolve) => {
        this.lookSoon = resolve
        setTimeout(resolve, intervalMs).unref()
      })
      await this.lookAround(follower, stream)
      await this.alone(this.watched.lookFurther)
      onLook()
      // A change that was seen is acted on when what came before it has been applied, which is soon.
      if (this.changeSeen !== undefined) setTimeout(this.lookSoon, SOON_MS).unref()
      await nextLook
    }
  }

  /** `FollowerOptions.prove` */
  prove(description: Description): Promise<void> | undefined {
    return isVisible(this.seen, description.xid) ? undefined : this.proveNow(description)
  }

  private async proveNow({ oids, xid }: Description): Promise<void> {
    const giveUpMs = performance.now() + VISIBLE_WITHIN_MS
    for (;;) {
      const changed = await this.look()
      const found = changed.find((now) => !this.addsLabels(now) && oids.some((oid) => this.concerns(now, oid)))
      if (found !== undefined)
        throw tableChanged(found.oid, mirrorName(found), 'has other columns or partitions now', false)
      if (isVisible(this.seen, xid) || performance.now() > giveUpMs) return
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  /** Whether a relation is a leaf of a table, now or when the session began. */
  private concerns(table: SourceTable, oid: number): boolean {
    if (oid === ANY_RELATION) return true
    const before = this.sources.get(table.oid)?.leaves ?? []
    return [...table.leaves, ...before].some((leaf) => leaf.oid === oid)
  }

  private async lookAround(follower: Follower, stream: ReplicationStream): Promise<void> {
    const changed = await this.look()
    if (changed.length === 0) {
      this.changeSeen = undefined
      return
    }
    const descriptions = JSON.stringify(changed.map((table) => describeSource(table, '')))
    this.changeSeen ??= { descriptions, lsn: await this.endOfLog() }
    // What was committed before the change must have been applied: it still has the old columns.
    if (follower.appliedLsn < this.changeSeen.lsn) return stream.requestKeepalive()
    for (const table of changed) {
      const isAccepted = this.changeSeen.descriptions === descriptions && (await this.acceptLabels(table))
      if (!isAccepted) throw tableChanged(table.oid, mirrorName(table), 'has other columns or partitions now', false)
    }
    this.changed = []
    this.changeSeen = undefined
  }

  /** Whether labels that were added to enums are all that has changed of a table. */
  private addsLabels(table: SourceTable): boolean {
    const before = this.descriptions.get(table.oid)!
    if (!hasSameName(table, this.sources.get(table.oid)!) || isDone(planTable(before, table, ''))) return false
    return isDone(planTable(withAddedLabels(before, table), table, ''))
  }

  /** Goes on with such labels where no row has one. They must not have changed since they were first seen. */
  private async acceptLabels(table: SourceTable): Promise<boolean> {
    const before = this.descriptions.get(table.oid)!
    if (!this.addsLabels(table)) return false
    if (!(await this.watched.acceptLabels(before, table))) return false
    this.descriptions.set(table.oid, withAddedLabels(before, table))
    return true
  }

  private async endOfLog(): Promise<Lsn> {
    const [row] = await queryRows<{ lsn: string }>(
      this.client,
      'reading the place in the log failed',
      `SELECT (${END_OF_LOG})::text AS lsn`,
    )
    return parseLsn(row!.lsn)
  }

  /** Writes a small transaction, whose commit brings all of the log before it to the server's device. Never rejects. */
  flushLog(): Promise<void> {
    this.flushing ??= this.looking
      .then(() => queryRows(this.client, 'flushing the log failed', FLUSH_LOG))
      .catch(() => queryRows(this.client, 'flushing the log failed', 'ROLLBACK'))
      .catch(() => undefined) // the next look reports a lost connection
      .then(() => {
        this.flushing = undefined
      })
    this.looking = this.flushing
    return this.flushing
  }

  /** Finds tables that have changed since the session began. */
  private look(): Promise<SourceTable[]> {
    return this.alone(() => inOneSnapshot(this.client, () => this.lookNow()))
  }

  /** One look at a time: they share the connection. */
  private alone<T>(look: () => Promise<T>): Promise<T> {
    const looked = this.looking.then(look)
    this.looking = looked.catch(() => undefined)
    return looked
  }

  /**
   * Synchronous: the server waits for a standby that has acknowledged nothing, though it does not count it yet. The
   * same is assumed where the role may not see the state.
   */
  private async readServer(): Promise<ServerState> {
    const [state] = await queryRows<ServerState>(
      this.client,
      'reading the state of the server failed',
      `SELECT ${SNAPSHOT} AS snapshot, pg_is_in_recovery() AS "isStandby",
              current_setting('synchronous_standby_names') <> '' AND coalesce(
                (SELECT flush_lsn IS NULL OR sync_state IN ('sync', 'quorum')
                 FROM pg_stat_get_wal_senders() WHERE pid = ${this.watched.streamPid}), true) AS "isSynchronous"
       FROM pg_current_snapshot() s`,
    )
    return state!
  }

  private async lookNow(): Promise<SourceTable[]> {
    const { client } = this
    const { snapshot, isStandby, isSynchronous } = await this.readServer()
    this.isSynchronous = isSynchronous
    this.slotStatus = await slotStatus(client, this.watched.slot)
    if (isStandby || snapshot !== this.seen) {
      this.changed = await this.readChanged()
      this.seen = snapshot
    }
    return this.changed
  }

  private async readChanged(): Promise<SourceTable[]> {
    const { client, sources } = this
    const { publication, published, publishedAs } = this.watched
    const known = [...sources.values()]
    const now = publicationIdentity(await readPublication(client, publication, known), known)
    if (
      now.publication !== published.publication ||
      known.some(({ oid }) => now.entries.get(oid) !== publishedAs.get(oid))
    ) {
      throw new SnapheapError(
        'POSTGRES',
        `Postgres: the publication "${publication}" was changed. The mirror finds out what that means for its tables.`,
        { isTransient: true },
      )
    }
    const found = await readTablesByOid(client, [...sources.keys()])
    const current = found.map((table) => withName(table, sources.get(table.oid)!))
    await this.lookAtNames(current)
    return known.flatMap((source) => {
      const table = current.find(({ oid }) => oid === source.oid)
      if (table === undefined) return [source]
      const isSame = isDone(planTable(this.descriptions.get(source.oid)!, table, '')) && hasSameName(table, source)
      return isSame ? [] : [table]
    })
  }

  /** Rejects when a name that a renamed table has left is another table's now. */
  private async lookAtNames(current: readonly SourceTable[]): Promise<void> {
    const renamed = current.filter(({ mirroredAs }) => mirroredAs !== undefined)
    if (renamed.length === 0) return
    const left = renamed.map((table) => this.watched.tables.find((name) => servedAs(name, [mirrorName(table)])))
    const taken = await readTables(
      this.client,
      left.filter((name) => name !== undefined),
    )
    if (taken.every((table) => table === undefined)) return
    const [first] = renamed
    throw tableChanged(first!.oid, mirrorName(first!), 'has given its name to another table', false)
  }
}

function withName(table: SourceTable, { mirroredAs }: SourceTable): SourceTable {
  return mirroredAs === undefined ? table : { ...table, mirroredAs }
}

function hasSameName(table: SourceTable, before: SourceTable): boolean {
  return table.schema === before.schema && table.name === before.name
}

/** Whether a transaction, whose number is given modulo 2^32, is among those that a `pg_current_snapshot()` saw. */
export function isVisible(snapshot: string, xid: number): boolean {
  if (snapshot === '') return false
  const [, xmax, running] = snapshot.split(':')
  const end = BigInt(xmax!)
  const distance = (Number(end & 0xffff_ffffn) - xid) | 0
  if (distance <= 0) return false
  const full = end - BigInt(distance)
  return running === '' || !running!.split(',').includes(String(full))
}
