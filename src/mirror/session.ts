import type pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { tableChanged } from './apply'
import { qualifiedName, readTables, type SourceTable } from './catalogue'
import { commit } from './commit'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import { type Copies, copyTables } from './copy-tables'
import { Follower, nextTurn, type PendingSwap } from './follower'
import { takeLosses } from './losses'
import { type Lsn, parseLsn } from './lsn'
import { describeSource, mirrorName, planSteps } from './mirrored-table'
import { preflight } from './preflight'
import { CopyMeter, type CopyState } from './progress'
import { type Plan, publicationEntries, reconcile } from './reconcile'
import { dropPublication, dropSlot, type SlotStatus, slotStatus } from './slot'
import { createStateTable, mirrorProperties, readState, servedTables, setRole, writeState } from './state'
import { ReplicationStream } from './stream'
import { retire, swapIn } from './swap'

export interface SessionOptions {
  store: Store
  connection: ConnectionOptions
  slot: string
  publication: string
  tables: readonly string[]
  checkEveryMs: number
  /** Oids of tables that must be copied in any case; cleared once they are. */
  mistrusted: Set<number>
  /** Server and tables were found fit. */
  onPlanned: () => void
  onCopying: (isFirst: boolean) => void
  onProgress: (state: CopyState) => void
  onNotice: (text: string) => void
  /** The heap has come further; also once when the stream begins. */
  onAdvance: () => void
}

/** Until the next look after one that has found a table changed. */
const SOON_MS = 50
/** Time for the server to end the stream in order. */
const STOP_TIMEOUT_MS = 2_000

/** One stretch of being connected to the server, from finding out what must be done until the connection ends. */
export class Session {
  /** Undefined until the stream begins. */
  follower: Follower | undefined
  stream: ReplicationStream | undefined
  /** End of the server's log when the session began. */
  endLsn: Lsn | undefined
  /** As of the last look. */
  slotStatus: SlotStatus | undefined
  /** Tables being filled or waiting for their place. */
  readonly copiesInUse = new Set<string>()
  /** By oid. */
  sources: ReadonlyMap<number, SourceTable> = new Map()
  private client: pg.Client | undefined
  private replication: pg.Client | undefined
  private interrupt: (error: Error) => void = () => undefined
  private readonly interrupted = new Promise<never>((_, reject) => {
    this.interrupt = reject
  })
  private stopped: Error | undefined
  /** End of the log when a changed table was seen. */
  private changeSeenLsn: Lsn | undefined
  private lookSoon: () => void = () => undefined

  constructor(private readonly options: SessionOptions) {
    this.interrupted.catch(() => undefined)
  }

  /**
   * Rejects when the session ends: with `POSTGRES`, `PREFLIGHT`, `SCHEMA` (see `tableChanged`), or what `stop` was
   * given.
   */
  async run(): Promise<never> {
    const { connection, slot, publication } = this.options
    try {
      const lost = (error: Error) => this.interrupt(error)
      this.client = await connect(connection, 'query', lost)
      // Before the replication connection: the server would refuse that, too, but without all that is to be mended.
      const served = servedTables(this.options.store, slot)
      const { tables, notices } = await preflight(this.client, { ...this.options, served })
      this.replication = await connect(connection, 'replication', lost)
      const plan = await reconcile(this.client, this.replication, tables, this.options)
      this.endLsn = plan.endLsn
      for (const notice of notices) this.options.onNotice(notice)
      this.options.onPlanned()
      await nextTurn() // whoever awaited that may listen from now on
      await createStateTable(this.options.store)
      const { startLsn, pending } = await this.carryOut(plan)
      const { store, onAdvance } = this.options
      this.follower = new Follower({
        store,
        slot,
        startLsn,
        sources: this.sources,
        pending,
        onAdvance,
        onDescribedAgain: () => this.lookSoon(),
      })
      this.stream = new ReplicationStream(this.replication, { slot, publication, startLsn }, this.follower)
      onAdvance()
      return await Promise.race([this.stream.done.then(() => this.interrupted), this.interrupted, this.watch(plan)])
    } finally {
      await this.end()
    }
  }

  /** Makes `run` end with `error`. Nothing is committed from now on. */
  stop(error: Error): void {
    this.stopped = error
    this.follower?.abandon(error).catch(() => undefined)
    this.interrupt(error)
  }

  private ensureNotStopped(): void {
    if (this.stopped !== undefined) throw this.stopped
  }

  /** Removes slot and publication from the server. The stream must have ended. */
  async dropOnServer(): Promise<void> {
    const { connection, slot, publication } = this.options
    const client = await connect(connection, 'query')
    try {
      await dropSlot(client, slot, true)
      await dropPublication(client, publication)
    } finally {
      await disconnect(client)
    }
  }

  private async end(): Promise<void> {
    await this.follower?.abandon(new SnapheapError('CLOSED', 'The stream has ended. Await the next one.'))
    const { stream, replication, client } = this
    if (stream !== undefined) {
      const timeout = new Promise((resolve) => {
        setTimeout(resolve, STOP_TIMEOUT_MS).unref()
      })
      await Promise.race([stream.stop(), timeout])
    }
    await Promise.all([client, replication].map((each) => each && disconnect(each)))
  }

  /** Brings the heap to where the stream can be taken up. */
  private async carryOut(plan: Plan): Promise<{ startLsn: Lsn; pending: PendingSwap | undefined }> {
    const { store, slot, mistrusted } = this.options
    if (plan.restart !== undefined) return { startLsn: await this.restart(plan, plan.restart), pending: undefined }
    await this.alterTables(plan)
    this.sources = new Map(plan.sources.map((source) => [source.oid, source]))
    const startLsn = readState(store, slot)!.lsn
    if (plan.copies.length === 0) return { startLsn, pending: undefined }
    this.options.onCopying(false)
    const copies = await this.copy(plan, { name: `${slot}_copy`, isTemporary: true })
    const oids = new Set(copies.tables.map(({ source }) => source.oid))
    const pending: PendingSwap = {
      lsn: copies.lsn,
      oids,
      swap: (transaction) => {
        swapIn(transaction, store, slot, copies.tables, plan.publishedAs)
        mistrusted.clear()
        this.copiesInUse.clear()
      },
    }
    return { startLsn, pending }
  }

  /** Copies everything, from a new slot on. Returns where that begins. */
  private async restart(plan: Plan, restart: { reason: string; isFirst: boolean }): Promise<Lsn> {
    const { store, slot, mistrusted } = this.options
    if (!restart.isFirst) this.options.onNotice(`All tables are copied again: ${restart.reason}.`)
    this.options.onCopying(restart.isFirst)
    await dropSlot(this.client!, slot)
    const copies = await this.copy(plan, { name: slot, isTemporary: false })
    const { systemId, publicationOid, publishedAs, removed } = plan
    await commit(store, (transaction) => {
      this.ensureNotStopped()
      swapIn(transaction, store, slot, copies.tables, publishedAs)
      for (const name of removed) retire(transaction, store, slot, name)
      writeState(transaction, slot, { lsn: copies.lsn, systemId, publicationOid })
    })
    mistrusted.clear()
    this.copiesInUse.clear()
    return copies.lsn
  }

  private async copy(plan: Plan, copySlot: { name: string; isTemporary: boolean }): Promise<Copies> {
    const { store, connection, slot, onProgress } = this.options
    let failure: Error | undefined
    this.interrupted.catch((error) => {
      failure = error
    })
    const copies = await copyTables({
      store,
      connection,
      slot,
      copySlot,
      tables: plan.copies,
      publishedAs: plan.publishedAs,
      meter: new CopyMeter(plan.copies, onProgress),
      checkpoint: () => {
        this.ensureNotStopped()
        if (failure !== undefined) throw failure
      },
      onTable: (copyName) => this.copiesInUse.add(copyName),
    })
    const sources = new Map(plan.sources.map((source) => [source.oid, source]))
    for (const { source } of copies.tables) sources.set(source.oid, source)
    this.sources = sources
    return copies
  }

  /** Makes the changes of tables that need no copy, in one commit. */
  private async alterTables({ steps, removed, publishedAs }: Plan): Promise<void> {
    const { store, slot } = this.options
    const altered = steps.filter(({ source }) => {
      const mirrored = mirrorProperties(store, mirrorName(source))!.source
      return JSON.stringify(mirrored) !== JSON.stringify(describeSource(source, publishedAs.get(source.oid)!))
    })
    if (altered.length === 0 && removed.length === 0) return
    await commit(store, (transaction) => {
      for (const { source, steps } of altered) {
        const name = mirrorName(source)
        for (const step of steps) {
          if (step.kind === 'drop') transaction.dropColumn(name, step.name)
          else if (step.kind === 'rename') transaction.renameColumn(name, step.name, step.newName)
          else transaction.addColumn(name, step.name, { ...step.definition, nullable: true })
        }
        setRole(transaction, name, slot, 'served', describeSource(source, publishedAs.get(source.oid)!))
      }
      for (const name of removed) retire(transaction, store, slot, name)
    })
  }

  /** Looks at slot, publication and tables from time to time; rejects when the session must begin anew. */
  private async watch(plan: Plan): Promise<never> {
    for (;;) {
      const nextLook = new Promise<void>((resolve) => {
        this.lookSoon = resolve
        setTimeout(resolve, this.options.checkEveryMs).unref()
      })
      await this.look(plan)
      this.tellLosses()
      // A change that was seen is acted on when what came before it has been applied, which is soon.
      if (this.changeSeenLsn !== undefined) setTimeout(this.lookSoon, SOON_MS).unref()
      await nextLook
    }
  }

  private async look({ publicationOid, publishedAs }: Plan): Promise<void> {
    const client = this.client!
    const { slot, publication } = this.options
    this.slotStatus = await slotStatus(client, slot)
    if (this.follower!.isSwapPending) return
    const published = await publicationEntries(client, publication)
    const sources = [...this.sources.values()]
    if (
      published.oid !== publicationOid ||
      sources.some(({ oid }) => published.entries.get(oid) !== publishedAs.get(oid))
    ) {
      throw new SnapheapError(
        'POSTGRES',
        `Postgres: the publication "${publication}" was changed. Leave it to the mirror.`,
        {
          isTransient: true,
        },
      )
    }
    await this.lookAtNames(client, sources)
    const current = await readTables(client, sources.map(qualifiedName))
    const changed = sources.find((source, i) => {
      const now = current[i]
      return now === undefined || planSteps(describeSource(source, ''), now, '')?.length !== 0
    })
    if (changed === undefined) {
      this.changeSeenLsn = undefined
      return
    }
    // What was committed before the change must have been applied: it still has the old columns.
    if (this.changeSeenLsn !== undefined && this.follower!.appliedLsn >= this.changeSeenLsn) {
      throw tableChanged(changed.oid, mirrorName(changed), 'has other columns or partitions now', false)
    }
    const [row] = await queryRows<{ lsn: string }>(
      client,
      'reading the place in the log failed',
      'SELECT pg_current_wal_lsn()::text AS lsn',
    )
    this.changeSeenLsn ??= parseLsn(row!.lsn)
    this.stream!.requestKeepalive()
  }

  /** Rejects when a name that a renamed table has left is another table's now. */
  private async lookAtNames(client: pg.Client, sources: readonly SourceTable[]): Promise<void> {
    const renamed = sources.find(({ mirroredAs }) => mirroredAs !== undefined)
    if (renamed === undefined) return
    const named = await readTables(client, this.options.tables)
    if (named.every((table) => table === undefined || this.sources.has(table.oid))) return
    throw tableChanged(renamed.oid, mirrorName(renamed), 'has given its name to another table', false)
  }

  /** Tells of values that could not be kept as they are, each kind once for a column. */
  private tellLosses(): void {
    for (const source of this.sources.values()) {
      for (const { name, type } of source.columns) {
        for (const loss of takeLosses(type)) this.options.onNotice(`${qualifiedName(source)}."${name}" ${loss}`)
      }
    }
  }
}
