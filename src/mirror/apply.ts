import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import type { TableWriter } from '../table/table-writer'
import type { SourceTable } from './catalogue'
import type { TextDecoder } from './fields'
import { type Lsn, NO_LSN } from './lsn'
import { mirrorName } from './mirrored-table'
import { type ChangeHandler, FIELD_NULL, FIELD_TEXT, FIELD_UNCHANGED, type Relation, type Tuple } from './pgoutput'
import { mapType } from './types'

/** Tables that were copied at a later place than the stream is: their changes from before it are in the copy. */
export interface CopiedAhead {
  /** Transactions committed before this are in the copy. */
  lsn: Lsn
  oids: ReadonlySet<number>
}

/** The error that makes the mirror look at the table of Postgres anew. `mustCopy`: its rows are not what they should be. */
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
  /** Where the transaction under way was committed. */
  finalLsn: Lsn = NO_LSN
  /** Where the last whole transaction ended. */
  endLsn: Lsn = NO_LSN
  /** Between a transaction's begin and its commit. */
  isInside = false
  private transaction: Transaction | undefined
  private generation = 0
  private readonly relations = new Map<number, Relation>()
  private readonly bound = new Map<number, TableChanges>()

  constructor(
    private readonly sources: ReadonlyMap<number, SourceTable>,
    private readonly ahead: CopiedAhead | undefined,
    /** A table was described once more: something about it has changed, though perhaps not its columns. */
    private readonly onDescribedAgain: () => void,
  ) {}

  /** Changes go into this transaction from now on. */
  use(transaction: Transaction): void {
    this.transaction = transaction
    this.generation++
  }

  begin(finalLsn: Lsn): void {
    this.finalLsn = finalLsn
    this.isInside = true
  }

  commit(_commitLsn: Lsn, endLsn: Lsn): void {
    this.endLsn = endLsn
    this.isInside = false
  }

  relation(relation: Relation): void {
    if (this.relations.has(relation.oid)) this.onDescribedAgain()
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
    for (const oid of oids) this.target(oid)?.truncate()
  }

  /** Where a change of this relation goes; undefined where it is not to be applied. */
  private target(oid: number): TableChanges | undefined {
    const source = this.sources.get(oid)
    // A table that is mirrored no longer may still be in the log.
    if (source === undefined) return undefined
    if (this.ahead?.oids.has(oid) && this.finalLsn < this.ahead.lsn) return undefined
    let table = this.bound.get(oid)
    if (table === undefined) {
      const relation = this.relations.get(oid)
      if (relation === undefined) throw tableChanged(oid, mirrorName(source), 'came without a description', false)
      table = new TableChanges(source, relation)
      this.bound.set(oid, table)
    }
    table.use(this.transaction!, this.generation)
    return table
  }
}

/** The changes of one table, whose relation is known to have the columns that the mirrored table has. */
class TableChanges {
  private readonly name: string
  private readonly decoders: readonly TextDecoder[]
  /** By place in a tuple: whether the column may be without a value. */
  private readonly isNullable: readonly boolean[]
  /** Places of the key's columns in a tuple. */
  private readonly keyPlaces: readonly number[]
  private readonly words: Int32Array
  private readonly given: Uint8Array
  private readonly keyWords: Int32Array
  private writer!: TableWriter
  private generation = -1
  /** Position in the mirrored table by place in a tuple. */
  private positions: readonly number[] = []

  constructor(
    private readonly source: SourceTable,
    relation: Relation,
  ) {
    this.name = mirrorName(source)
    ensureSameColumns(this.name, source, relation)
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.isNullable = source.columns.map((column) => column.isNullable)
    this.keyPlaces = source.key.map((name) => source.columns.findIndex((column) => column.name === name))
    this.words = new Int32Array(source.columns.length * 2)
    this.given = new Uint8Array(source.columns.length)
    this.keyWords = new Int32Array(this.keyPlaces.length * 2)
  }

  use(transaction: Transaction, generation: number): void {
    if (this.generation === generation) return
    this.writer = transaction.writer(this.name)
    this.generation = generation
    const { columnNames } = this.writer.table
    this.positions = this.source.columns.map((column) => columnNames.indexOf(column.name))
  }

  insert(bytes: Buffer, row: Tuple): void {
    this.decode(bytes, row)
    try {
      this.writer.insertWords(this.words)
    } catch (error) {
      throw this.explained(error)
    }
  }

  update(bytes: Buffer, row: Tuple, old: Tuple | undefined): void {
    const number = this.rowOf(bytes, old ?? row)
    this.decode(bytes, row)
    try {
      this.writer.updateWords(number, this.words, this.given)
    } catch (error) {
      throw this.explained(error)
    }
  }

  delete(bytes: Buffer, old: Tuple): void {
    this.writer.delete(this.rowOf(bytes, old))
  }

  truncate(): void {
    this.writer.truncate()
  }

  /** Leaves the words of a tuple in `words`, and which of them it has in `given`. */
  private decode(bytes: Buffer, row: Tuple): void {
    const { interner } = this.writer
    if (row.count !== this.decoders.length) throw this.changed('has other columns now', false)
    for (let place = 0; place < this.decoders.length; place++) {
      const position = this.positions[place]!
      const kind = row.kinds[place]
      this.given[position] = kind === FIELD_UNCHANGED ? 0 : 1
      if (kind === FIELD_TEXT) {
        this.decoders[place]!(bytes, row.starts[place]!, row.ends[place]!, interner)
        this.words[position * 2] = interner.low
        this.words[position * 2 + 1] = interner.high
      } else {
        if (kind === FIELD_NULL && !this.isNullable[place])
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
}

/** Throws unless the stream describes the very columns that the mirror knows. */
function ensureSameColumns(name: string, source: SourceTable, relation: Relation): void {
  const isSame =
    relation.schema === source.schema &&
    relation.name === source.name &&
    relation.replicaIdentity === source.replicaIdentity &&
    relation.columns.length === source.columns.length &&
    relation.columns.every((column, i) => {
      const known = source.columns[i]!
      const isKey = source.replicaIdentity === 'f' || source.key.includes(known.name)
      return (
        column.name === known.name &&
        column.typeOid === known.typeOid &&
        column.typeModifier === known.typeModifier &&
        column.isKey === isKey
      )
    })
  if (!isSame) throw tableChanged(source.oid, name, 'has other columns now', false)
}
