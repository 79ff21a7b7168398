import type pg from 'pg'
import type { Store } from '../db/store'
import { tableChanged } from './apply'
import { qualifiedName, type SourceTable } from './catalogue'
import { UNSYNCED } from './commit'
import type { ConnectionOptions } from './connection'
import { type Copies, copyTables } from './copy-tables'
import type { Doubts } from './doubts'
import { type Lsn, NO_LSN, parseLsn } from './lsn'
import { mirrorName, planTable, type TablePlan } from './mirrored-table'
import { CopyMeter, type CopyState } from './progress'
import type { Plan } from './reconcile'
import { dropSlot, type SlotKind } from './slot'
import { guardMeanwhile, SlotGuard } from './slot-guard'
import {
  disclaimSlot,
  type KeptCopy,
  keptCopies,
  leaveBehind,
  mirrorProperties,
  readState,
  servedTables,
  setRole,
  writeState,
} from './state'
import { retire, swapIn } from './swap'

export interface CopyingOptions {
  store: Store
  connection: ConnectionOptions
  slot: string
  checkIntervalMs: number
  failover?: boolean | undefined
  maxRetainedBytes?: number | undefined
  /** Cleared once what is in doubt is left behind. */
  doubts: Doubts
  onCopying: (isFirst: boolean) => void
  onProgress: (state: CopyState) => void
  onNotice: (text: string) => void
}

/** What copies depend on of the session that makes them. */
export interface CopyingSession {
  client: pg.Client
  replication: pg.Client
  /** Names of tables being filled, or waiting for their place. */
  copiesInUse: Set<string>
  /** Throws when the session has ended. */
  checkpoint: () => void
  /** Ends the session. */
  interrupt: (error: Error) => void
  /** Writes down how far the tables are, if they are at an LSN or beyond it. */
  storeProgress: (lsn: Lsn) => void
  /** Ends everything that is waited for. */
  signal: AbortSignal
}

/** Somebody else has made a slot of that name. */
const DUPLICATE_OBJECT = '42710'

/** Makes the copies that a plan asks for. */
export class Copying {
  constructor(
    private readonly options: CopyingOptions,
    private readonly session: CopyingSession,
    private readonly plan: Plan,
  ) {}

  /**
   * Puts the tables that an interrupted restart has copied in place, and gives up the copies that cannot be gone on
   * with. The restart has marked the tables that it did not copy: they are copied later.
   */
  async resume(): Promise<void> {
    const { store, slot, onNotice } = this.options
    const { resumed, systemId, publication, sources } = this.plan
    const taken = resumed?.copies ?? []
    const others = keptCopies(store, slot).filter((copy) => taken.every(({ copyName }) => copyName !== copy.copyName))
    if (taken.length + others.length === 0) return
    const lsn = resumed?.lsn ?? readState(store, slot)?.lsn ?? NO_LSN
    await store.bulkWrite(async (transaction) => {
      transaction.manage()
      this.session.checkpoint()
      for (const { copyName, description, note } of others) {
        if (this.isNeeded(description.oid) && parseLsn(note.lsn) <= lsn)
          setRole(transaction, copyName, slot, 'copy', description, { ...note, isAtSlot: false })
        else setRole(transaction, copyName, slot, 'old', null)
      }
      if (resumed === undefined) return
      await swapIn(transaction, store, slot, taken)
      writeState(transaction, slot, { lsn, systemId, publication, lastLsn: null, lastXid: null })
    }, UNSYNCED)
    if (resumed !== undefined)
      onNotice(`An interrupted copy goes on: ${taken.length} of ${sources.length} tables are copied already.`)
  }

  /**
   * Whether a table is copied by this session beside the stream. A restart copies everything anew: the server may have
   * another history than what has been copied.
   */
  private isNeeded(oid: number): boolean {
    const { restart, anew, changes } = this.plan
    const isCopied = (each: { source: SourceTable; plan: TablePlan }) => each.plan.copied.length > 0
    const copied = [...anew, ...changes.filter(isCopied).map(({ source }) => source)]
    return restart === undefined && copied.some((source) => source.oid === oid)
  }

  /** Copies everything, from a new slot on. Returns where that begins, and the tables as they were there. */
  async restart({ reason, isFirst }: { reason: string; isFirst: boolean }): Promise<Copies> {
    const { store, slot, doubts, failover, onNotice, onProgress, onCopying } = this.options
    if (!isFirst) onNotice(`All tables are copied again: ${reason}.`)
    onCopying(isFirst)
    // On the device before the slot is: its place must not be taken for that of the tables there are.
    await leaveBehind(store, slot, [...servedTables(store, slot).keys()])
    if (store.path !== undefined) await store.sync()
    doubts.clear()
    const isTemporary = store.path === undefined
    await dropSlot(this.session.client, slot)
    const kind = isTemporary ? { temporary: true, on: this.session.replication } : { failover: failover === true }
    const { systemId, publication, removed, sources } = this.plan
    const meter = new CopyMeter(sources, onProgress)
    const copies = await this.copy(sources, { name: slot, ...kind }, meter).catch(async (error) => {
      if (error.details?.sqlState === DUPLICATE_OBJECT) await disclaimSlot(store, slot)
      throw error
    })
    await store.bulkWrite(async (transaction) => {
      transaction.manage()
      this.session.checkpoint()
      await swapIn(transaction, store, slot, copies.tables)
      for (const name of removed) retire(transaction, store, slot, name)
      writeState(transaction, slot, { lsn: copies.lsn, systemId, publication, lastLsn: null, lastXid: null })
    }, UNSYNCED)
    this.plan.confirmedLsn = copies.lsn
    return copies
  }

  /** Copies the first of some tables that have so many bytes, or all. */
  async copy(
    tables: readonly SourceTable[],
    copySlot: SlotKind & { name: string },
    meter: CopyMeter,
    mostBytes = Number.POSITIVE_INFINITY,
  ): Promise<Copies> {
    const { store, connection, slot, checkIntervalMs, maxRetainedBytes, onNotice } = this.options
    const { client, copiesInUse, checkpoint, interrupt, storeProgress, signal } = this.session
    const { publishedAs, systemId, publication } = this.plan
    const guard = new SlotGuard(copySlot.name, maxRetainedBytes, onNotice)
    const stopGuarding = guardMeanwhile(client, copySlot.name, guard, checkIntervalMs, interrupt)
    return await copyTables({
      store,
      connection,
      slot,
      copySlot,
      tables,
      mostBytes,
      leavesOf: (source) => this.leavesToCopy(source),
      publishedAs,
      kept: (oid) => this.kept(oid),
      origin: { systemId, publication, isAtSlot: copySlot.temporary !== true },
      onPlace: storeProgress,
      meter,
      checkpoint,
      onTable: (copyName) => copiesInUse.add(copyName),
      onNotice,
      signal,
    }).finally(stopGuarding)
  }

  private kept(oid: number): KeptCopy[] {
    const { store, slot } = this.options
    return keptCopies(store, slot).filter(({ description }) => description.oid === oid)
  }

  /** Oids of the leaves whose rows have to be replaced, which may be more by now than when it was planned. */
  private leavesToCopy(source: SourceTable): number[] | undefined {
    const { anew, publishedAs, restart } = this.plan
    if (anew.some(({ oid }) => oid === source.oid)) return undefined
    const mirrored = mirrorProperties(this.options.store, mirrorName(source))!.source!
    const now = planTable(mirrored, source, publishedAs.get(source.oid) ?? '')
    if (now !== undefined && restart !== undefined && now.steps.length === 0)
      return [...source.leaves.map(({ oid }) => oid), ...now.removed]
    if (now === undefined || now.steps.length + now.removed.length > 0)
      throw tableChanged(source.oid, qualifiedName(source), 'was changed again', false)
    return now.copied.map(({ oid }) => oid)
  }
}
