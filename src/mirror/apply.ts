import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import type { TableWriter } from '../table/table-writer'
import type { SourceColumn, SourceLeaf, SourceTable } from './catalogue'
import type { TextDecoder } from './fields'
import { LeafRows } from './leaf-rows'
import { type Lsn, NO_LSN } from './lsn'
import { mirrorName } from './mirrored-table'
import { type ChangeHandler, FIELD_NULL, FIELD_TEXT, FIELD_UNCHANGED, type Relation, type Tuple } from './pgoutput'
import { mapType } from './types'

export interface ApplierOptions {
  /** Transactions that ended up to here are in the tables already. */
  startLsn: Lsn
  /** Called for each of these, to compare them with those that were applied. */
  onKnown: (endLsn: Lsn, xid: number) => void
}

/** A leaf, and the table that its rows are in. */
export interface MirroredLeafOf {
  source: SourceTable
  leaf: SourceLeaf
  /** Name of the heap's table: the one that readers see, or its copy. */
  table: string
}

/**
 * The error that makes the mirror look at the table of Postgres anew. `mustCopy`: its rows are not what they should be.
 */
export function tableChanged(oid: number, table: string, what: string, mustCopy: boolean): SnapheapError {
  return new SnapheapError('SCHEMA', `Table ${table} ${what}. The mirror brings it into step by itself.`, {
    oid,
    table,
    mustCopy,
    isTransient: true,
  })
}

/** Writes what the stream tells into the mirrored tables, within the transaction it was given last. */
export class ChangeApplier implements ChangeHandler {
  /** Where the transaction under way was committed, and its number. */
  finalLsn: Lsn = NO_LSN
  xid = 0
  /** Where the last whole transaction ended. */
  endLsn: Lsn = NO_LSN
  /** Between a transaction's begin and its commit. */
  isInside = false
  private transaction: Transaction | undefined
  private generation = 0
  private readonly relations = new Map<number, Relation>()
  private readonly leaves = new Map<number, MirroredLeafOf>()
  private readonly bound = new Map<number, LeafChanges>()

  constructor(private readonly options: ApplierOptions) {}

  /** Changes of these are applied, too, from now on. */
  follow(leaves: readonly MirroredLeafOf[]): void {
    for (const each of leaves) this.leaves.set(each.leaf.oid, each)
    this.bound.clear()
  }

  /** Changes go into this transaction from now on. */
  use(transaction: Transaction): void {
    this.transaction = transaction
    this.generation++
  }

  begin(finalLsn: Lsn, _commitTimeMs: number, xid: number): void {
    this.finalLsn = finalLsn
    this.xid = xid
    this.isInside = true
  }

  commit(_commitLsn: Lsn, endLsn: Lsn): void {
    this.endLsn = endLsn
    this.isInside = false
    if (this.isKnown) this.options.onKnown(endLsn, this.xid)
  }

  /** The transaction under way was applied before the stream was taken up. */
  get isKnown(): boolean {
    return this.finalLsn < this.options.startLsn
  }

  relation(relation: Relation): void {
    this.relations.set(relation.oid, relation)
    this.bound.delete(relation.oid)
  }

  insert(oid: number, bytes: Buffer, row: Tuple): void {
    this.target(oid)?.insert(bytes, row)
  }

  update(oid: number, bytes: Buffer, row: Tuple, old: Tuple | undefined): void {
    this.target(oid)?.update(bytes, row, old)
  }

  delete(oid: number, bytes: Buffer, old: Tuple): void {
    this.target(oid)?.delete(bytes, old)
  }

  truncate(oids: number[]): void {
    const targets = oids.map((oid) => this.target(oid)).filter((target) => target !== undefined)
    for (const table of new Set(targets.map(({ source }) => source))) {
      const own = targets.filter(({ source }) => source === table)
      if (own.length === table.leaves.length) own[0]!.truncateTable()
      else for (const leaf of own) leaf.truncate()
    }
  }

  /** Where a change of this relation goes; undefined where it is not to be applied. */
  private target(oid: number): LeafChanges | undefined {
    if (this.isKnown) return undefined
    const found = this.leaves.get(oid)
    // A table may be mirrored no longer, or have to be copied first.
    if (found === undefined) return undefined
    let changes = this.bound.get(oid)
    if (changes === undefined) {
      const relation = this.relations.get(oid)
      if (relation === undefined)
        throw tableChanged(found.source.oid, mirrorName(found.source), 'came without a description', false)
      changes = new LeafChanges(found, relation)
      this.bound.set(oid, changes)
    }
    changes.use(this.transaction!, this.generation)
    return changes
  }
}

/** A field of the stream's rows that is not mirrored. */
const UNKEPT = -1

/** The changes of one leaf, whose relation is known to have the columns that were found in the catalogue. */
class LeafChanges {
  readonly source: SourceTable
  private readonly leaf: SourceLeaf
  /** For messages. */
  private readonly name: string
  private readonly table: string
  private readonly decoders: readonly TextDecoder[]
  /** The mirrored columns, by place in a tuple; undefined for those that are not mirrored. */
  private readonly columns: readonly (SourceColumn | undefined)[]
  /** Places of the key's columns in a tuple. */
  private readonly keyPlaces: readonly number[]
  private readonly words: Int32Array
  private readonly given: Uint8Array
  private readonly keyWords: Int32Array
  private writer!: TableWriter
  /** Undefined where the table has no other leaf. */
  private leafRows: LeafRows | undefined
  private generation = -1
  /** Position in the mirrored table by place in a tuple. */
  private positions: readonly number[] = []

  constructor({ source, leaf, table }: MirroredLeafOf, relation: Relation) {
    this.source = source
    this.leaf = leaf
    this.table = table
    this.name = mirrorName(source)
    this.ensureSameColumns(relation)
    this.columns = leaf.columns.map(({ name }) => source.columns.find((column) => column.name === name))
    this.decoders = this.columns.map((column) => (column === undefined ? NO_DECODER : mapType(column.type).decode))
    this.keyPlaces = source.key.map((name) => leaf.columns.findIndex((column) => column.name === name))
    this.words = new Int32Array(source.columns.length * 2)
    this.given = new Uint8Array(source.columns.length)
    this.keyWords = new Int32Array(this.keyPlaces.length * 2)
  }

  use(transaction: Transaction, generation: number): void {
    if (this.generation === generation) return
    this.writer = transaction.writer(this.table)
    this.leafRows = this.source.isPartitioned ? new LeafRows(transaction, this.table) : undefined
    this.generation = generation
    const { columnNames } = this.writer.table
    this.positions = this.columns.map((column) => (column === undefined ? UNKEPT : columnNames.indexOf(column.name)))
  }

  insert(bytes: Buffer, row: Tuple): void {
    this.decode(bytes, row)
    try {
      const number = this.writer.insertWords(this.words)
      this.leafRows?.add(number, this.leaf.oid)
    } catch (error) {
      throw this.explained(error)
    }
  }

  update(bytes: Buffer, row: Tuple, old: Tuple | undefined): void {
    const number = this.rowOf(bytes, old ?? row)
    this.decode(bytes, row)
    try {
      const moved = this.writer.updateWords(number, this.words, this.given)
      if (moved === number || this.leafRows === undefined) return
      this.leafRows.remove(number)
      this.leafRows.add(moved, this.leaf.oid)
    } catch (error) {
      throw this.explained(error)
    }
  }

  delete(bytes: Buffer, old: Tuple): void {
    const number = this.rowOf(bytes, old)
    this.writer.delete(number)
    this.leafRows?.remove(number)
  }

  /** Deletes the leaf's rows. */
  truncate(): void {
    if (this.leafRows === undefined) return this.writer.truncate()
    for (const row of this.leafRows.rowsOf(this.leaf.oid)) {
      this.writer.delete(row)
      this.leafRows.remove(row)
    }
  }

  /** Deletes the rows of all leaves. */
  truncateTable(): void {
    this.writer.truncate()
    this.leafRows?.clear()
  }

  /** Leaves the words of a tuple in `words`, and which of them it has in `given`. */
  private decode(bytes: Buffer, row: Tuple): void {
    const { interner } = this.writer
    if (row.count !== this.decoders.length) throw this.changed('has other columns now', false)
    for (let place = 0; place < this.decoders.length; place++) {
      const position = this.positions[place]!
      if (position === UNKEPT) continue
      const kind = row.kinds[place]
      this.given[position] = kind === FIELD_UNCHANGED ? 0 : 1
      if (kind === FIELD_TEXT) {
        this.decoders[place]!(bytes, row.starts[place]!, row.ends[place]!, interner)
        this.words[position * 2] = interner.low
        this.words[position * 2 + 1] = interner.high
      } else {
        if (kind === FIELD_NULL && !this.columns[place]!.isNullable)
          throw this.changed('has values missing where none may be', true)
        this.words[position * 2] = this.words[position * 2 + 1] = 0
      }
    }
  }

  /** The row that a tuple's key names. */
  private rowOf(bytes: Buffer, tuple: Tuple): number {
    const { finder } = this.writer.table.context
    finder.isMissing = false
    this.keyPlaces.forEach((place, i) => {
      if (tuple.kinds[place] !== FIELD_TEXT) throw this.changed('had a change that does not name its row', true)
      this.decoders[place]!(bytes, tuple.starts[place]!, tuple.ends[place]!, finder)
      this.keyWords[i * 2] = finder.low
      this.keyWords[i * 2 + 1] = finder.high
    })
    const row = finder.isMissing ? -1 : this.writer.table.rowOfWords(this.keyWords)
    if (row < 0) throw this.changed('had a change to a row that is not mirrored', true)
    return row
  }

  /** Rows that are not what the change supposes are the mirror's fault, not the change's. */
  private explained(error: unknown): unknown {
    const code = error instanceof SnapheapError ? error.code : undefined
    return code === 'UNIQUE' || code === 'NOT_NULL'
      ? this.changed('had a change that does not fit its rows', true)
      : error
  }

  private changed(what: string, mustCopy: boolean): SnapheapError {
    return tableChanged(this.source.oid, this.name, what, mustCopy)
  }

  /** Throws unless the stream describes the very columns that the catalogue has. */
  private ensureSameColumns(relation: Relation): void {
    const { source, leaf } = this
    const isSame =
      relation.schema === leaf.schema &&
      relation.name === leaf.name &&
      relation.replicaIdentity === leaf.replicaIdentity &&
      relation.columns.length === leaf.columns.length &&
      relation.columns.every((column, i) => {
        const known = leaf.columns[i]!
        const isKey = leaf.replicaIdentity === 'f' || source.key.includes(known.name)
        return (
          column.name === known.name &&
          column.typeOid === known.typeOid &&
          column.typeModifier === known.typeModifier &&
          (column.isKey || !isKey)
        )
      })
    if (!isSame) throw this.changed('has other columns now', false)
  }
}

const NO_DECODER: TextDecoder = () => undefined
