import type pg from 'pg'
import type { SnapheapError } from '../errors'
import { isPromise } from '../kinds'
import { qualifiedName, type SourceLeaf, type SourceTable } from './catalogue'
import { commit } from './commit'
import { queryRows } from './connection'
import { type CopyHandlers, copyRows } from './copy'
import { type CopySelection, copyCommand, inBlocks, releasingIndexes } from './copy-command'
import type { CopiedTable, CopyPlace, CopyRequest } from './copy-tables'
import { updateCopy } from './copy-update'
import { indexColumns } from './index-copy'
import { createLeaves, LeafRows } from './leaf-rows'
import { copySilence } from './liveness'
import { formatLsn } from './lsn'
import { sameKeyError } from './mirror-errors'
import { describeSource, indexedColumns, type MirroredTable, mirrorName, tableDefinition } from './mirrored-table'
import { RowLoader } from './row-loader'
import { type CopyNote, type KeptCopy, setRole } from './state'

/** The first part of a leaf, on disk. A leaf of less than twice as much is copied at once. */
const FIRST_PART_BYTES = 1 << 22
/** Parts grow or shrink to so many bytes of rows: an interruption costs no more than one part. */
const PART_BYTES = 1 << 25
/** Bytes of rows between two notes at least. */
const NOTE_BYTES = 1 << 21
/** The server compares the ids of transactions within 2^31. */
const MOST_XIDS_SINCE = 1n << 30n

/** Of a leaf whose rows stand in blocks as those of ordinary tables do. */
interface LeafSize {
  blocks: number
  /** With the values that are stored elsewhere (TOAST). */
  sizeBytes: number
}

/** Rows of a leaf that can only be copied as a whole. */
const WITHOUT_BLOCKS: LeafSize = { blocks: 0, sizeBytes: 0 }

/**
 * The copy of one table: leaf by leaf, large ones in parts of some blocks. A note beside the copy tells which parts are
 * in it: an interrupted copy goes on behind them. A table that is made anew is indexed then.
 */
export class TableCopy {
  private readonly name: string
  private readonly description: MirroredTable
  /** Oids of the leaves that the copy replaces; undefined where the table is made anew. */
  private readonly replaced: readonly number[] | undefined
  private readonly leaves: readonly SourceLeaf[]
  private readonly loader: RowLoader
  private copyName: string
  /** `CopyNote.blocks` */
  private blocks: Record<string, number | null> = {}
  private bytesAtNote = 0

  constructor(
    private readonly request: CopyRequest,
    private readonly client: pg.Client,
    private readonly place: CopyPlace,
    private readonly source: SourceTable,
  ) {
    const { store, publishedAs, leavesOf } = request
    const replaced = leavesOf(source)
    this.name = mirrorName(source)
    this.copyName = `${this.name}~copy${store.version}`
    this.description = describeSource(source, publishedAs.get(source.oid) ?? '')
    this.replaced = replaced
    this.leaves = replaced === undefined ? source.leaves : source.leaves.filter(({ oid }) => replaced.includes(oid))
    this.loader = new RowLoader(source, store.kernels, store.hashSeed)
  }

  /** Throws `POSTGRES`, and what `checkpoint` throws. */
  async run(): Promise<CopiedTable> {
    const { name, source, description, replaced } = this
    const { store, meter, origin } = this.request
    meter.begin(source)
    if (!(await this.goOn())) await this.create()
    const sizes = await this.readSizes()
    for (const leaf of this.leaves) await this.copyLeaf(leaf, sizes.get(leaf.oid))
    if (replaced === undefined) await this.index()
    await this.writeNote(true)
    if (origin.isAtSlot) await store.sync()
    meter.end()
    return { name, source, copyName: this.copyName, description, leaves: replaced }
  }

  /** Takes up a copy of the same table and leaves, if there is one; others of the table are given up. */
  private async goOn(): Promise<boolean> {
    const { store, slot, meter, kept, onTable } = this.request
    let isGoingOn = false
    for (const copy of kept(this.source.oid)) {
      if (!isGoingOn && this.fits(copy)) {
        this.copyName = copy.copyName
        onTable(copy.copyName)
        meter.update(store.table(copy.copyName).rowCount, copy.note.sizeBytes)
        isGoingOn = await updateCopy(this.request, this.client, this.source, copy, (leaf, selection) =>
          this.load(leaf, selection),
        )
        if (isGoingOn) {
          this.blocks = { ...copy.note.blocks }
          await this.writeNote(false)
          continue
        }
        this.copyName = `${this.name}~copy${store.version}`
      }
      await commit(store, (transaction) => setRole(transaction, copy.copyName, slot, 'old', null))
    }
    return isGoingOn
  }

  /** Whether a copy is one of the table as it is now, so that its rows can be brought into step. */
  private fits({ description, note }: KeptCopy): boolean {
    const { place, replaced, request } = this
    return (
      note.systemId === request.origin.systemId &&
      JSON.stringify(note.leaves) === JSON.stringify(replaced ?? null) &&
      JSON.stringify(description) === JSON.stringify(this.description) &&
      place.nextXid - BigInt(note.xmin) < MOST_XIDS_SINCE
    )
  }

  private async create(): Promise<void> {
    const { store, slot, onTable } = this.request
    const { copyName, source, description } = this
    onTable(copyName)
    await commit(store, (transaction) => {
      transaction.createTable(copyName, tableDefinition(source))
      if (source.isPartitioned) createLeaves(transaction, copyName, slot)
      setRole(transaction, copyName, slot, 'copy', description)
    })
  }

  /** By oid. */
  private async readSizes(): Promise<Map<number, LeafSize>> {
    const oids = this.leaves.filter(({ isReadable }) => isReadable).map(({ oid }) => oid)
    if (oids.length === 0) return new Map()
    const rows = await queryRows<LeafSize & { oid: number }>(
      this.client,
      'reading the size of a table failed',
      `SELECT c.oid::int8::float8 AS oid,
              (pg_relation_size(c.oid) / current_setting('block_size')::int)::float8 AS blocks,
              pg_table_size(c.oid)::float8 AS "sizeBytes"
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam
       WHERE a.amname = 'heap' AND c.oid IN (${oids.join(', ')})`,
    )
    return new Map(rows.map(({ oid, ...size }) => [oid, size]))
  }

  private async copyLeaf(leaf: SourceLeaf, { blocks, sizeBytes } = WITHOUT_BLOCKS): Promise<void> {
    const copied = this.blocks[leaf.oid]
    if (copied === null) return
    let first = copied ?? 0
    if (first === 0 && sizeBytes < 2 * FIRST_PART_BYTES) {
      await this.load(leaf)
      return this.noteCopied(leaf, null)
    }
    for (let size = Math.max(1, Math.round((blocks * FIRST_PART_BYTES) / Math.max(sizeBytes, 1))); ; ) {
      const end = first + size < blocks ? first + size : undefined
      const sentBytes = await this.load(leaf, { condition: inBlocks(first, end) })
      await this.noteCopied(leaf, end ?? null)
      if (end === undefined) return
      first = end
      const fitting = Math.round((size * PART_BYTES) / Math.max(sentBytes, 1))
      size = Math.max(1, Math.min(fitting, size * 2))
    }
  }

  /** Adds the rows of a leaf, or some of them, to the copy. Returns how many bytes these were. */
  private async load(leaf: SourceLeaf, selection?: CopySelection): Promise<number> {
    const { loader, source, client, copyName } = this
    const { store, meter, checkpoint, connection, signal } = this.request
    let leafRows: LeafRows | undefined
    loader.onRows = (rows, count) => leafRows?.addAll(rows, count, leaf.oid)
    const before = meter.copied
    const handlers: CopyHandlers = {
      onRow: (bytes, starts, ends) => loader.load(bytes, starts, ends),
      prepare: (bytes) => loader.prepare(bytes),
      onMessages: (bytes, position) => loader.loadMessages(bytes, position),
      onChunk(read) {
        checkpoint()
        const committed = commit(store, (transaction) => {
          loader.writer = transaction.writer(copyName)
          loader.writer.expectedRows = source.estimatedRows
          leafRows = source.isPartitioned ? new LeafRows(transaction, copyName) : undefined
          try {
            read()
            loader.flush()
          } catch (error) {
            throw explained(source, error)
          }
        })
        return isPromise(committed) ? committed : undefined
      },
      onProgress: ({ rows, bytes }) => meter.update(before.rows + rows, before.bytes + bytes),
      silence: copySilence(client, connection, signal),
    }
    const copy = () => copyRows(client, copyCommand(source, leaf, selection), source.columns.length, handlers)
    const totals = await (selection === undefined ? copy() : releasingIndexes(client, copy))
    return totals.bytes
  }

  private async noteCopied(leaf: SourceLeaf, blocks: number | null): Promise<void> {
    this.blocks[leaf.oid] = blocks
    if (this.request.meter.copied.bytes - this.bytesAtNote >= NOTE_BYTES) await this.writeNote(false)
  }

  private async writeNote(isWhole: boolean): Promise<void> {
    const { store, slot, origin, meter, onPlace } = this.request
    const { copyName, description, place, replaced, blocks } = this
    const sizeBytes = meter.copied.bytes
    const note: CopyNote = {
      ...origin,
      lsn: formatLsn(place.lsn),
      xmin: place.xmin,
      leaves: replaced ?? null,
      blocks,
      sizeBytes,
      isWhole,
    }
    onPlace(place.lsn)
    await commit(store, (transaction) => setRole(transaction, copyName, slot, 'copy', description, note))
    this.bytesAtNote = sizeBytes
  }

  private async index(): Promise<void> {
    const { store, checkpoint } = this.request
    const { columns } = store.table(this.copyName)
    const names = indexedColumns(this.source).filter((name) =>
      columns.some((column) => column.name === name && !column.isIndexed),
    )
    await indexColumns(store, this.copyName, names, checkpoint)
  }
}

function explained(source: SourceTable, error: unknown): unknown {
  const { code, details } = error as SnapheapError
  return code === 'UNIQUE' ? sameKeyError(qualifiedName(source), source.key, details.value) : error
}
