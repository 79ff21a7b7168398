import type { ColumnDefinition, TableDefinition } from '../table/definition'
import type { PostgresType, SourceColumn, SourceTable } from './catalogue'
import { mapType } from './types'

/** A column as it was when its values were copied. */
export interface MirroredColumn {
  number: number
  name: string
  typeOid: number
  typeModifier: number
  isNullable: boolean
  definedIn: string
  /** Oid and label of each value, where the type is an enum or an array of one. */
  labels: Readonly<Record<string, string>>
}

/**
 * What a mirrored table remembers of its source, in its properties: enough to tell later, also after a restart, whether
 * the source is still the same table with the same columns. A plain document.
 */
export interface MirroredTable {
  oid: number
  schema: string
  name: string
  replicaIdentity: string
  /** Numbers of the key's columns. */
  key: readonly number[]
  storage: string
  /** By oid: the file of each partition. */
  partitions: Readonly<Record<string, string>>
  lastColumnNumber: number
  /** The table's entry in the publication: another one means that changes may be missing. */
  publishedAs: string
  columns: readonly MirroredColumn[]
}

/** A change of a mirrored table's columns that needs no look at the rows. */
export type ColumnStep =
  | { kind: 'drop'; name: string }
  | { kind: 'rename'; name: string; newName: string }
  | { kind: 'add'; name: string; definition: ColumnDefinition }

const NUMERIC_OID = 1700
/** Types whose values keep their text when a column changes between them without being rewritten. */
const TEXT_OIDS: readonly number[] = [25, 1043] // text, varchar

/** Name of the table's mirror: that of the table, behind its schema unless that is `public`. It stays when the table is renamed. */
export function mirrorName(table: { schema: string; name: string; mirroredAs?: string }): string {
  if (table.mirroredAs !== undefined) return table.mirroredAs
  return table.schema === 'public' ? table.name : `${table.schema}.${table.name}`
}

export function describeSource(source: SourceTable, publishedAs: string): MirroredTable {
  return {
    oid: source.oid,
    schema: source.schema,
    name: source.name,
    replicaIdentity: source.replicaIdentity,
    key: source.key.map((name) => source.columns.find((column) => column.name === name)!.number),
    storage: source.storage,
    partitions: Object.fromEntries(source.partitions.map(({ oid, storage }) => [oid, storage])),
    lastColumnNumber: source.lastColumnNumber,
    publishedAs,
    columns: source.columns.map(({ number, name, typeOid, typeModifier, isNullable, definedIn, type }) => ({
      number,
      name,
      typeOid,
      typeModifier,
      isNullable,
      definedIn,
      labels: labelsOf(type),
    })),
  }
}

/**
 * The definition of a table to hold the rows of `source`, so far without indexes: building them over all rows is much
 * faster than adding row after row.
 */
export function tableDefinition(source: SourceTable): TableDefinition {
  const columns = source.columns.map((column) => [
    column.name,
    { ...columnDefinition(column), nullable: column.isNullable, index: false },
  ])
  return { key: source.key, columns: Object.fromEntries(columns) }
}

function columnDefinition(column: SourceColumn): ColumnDefinition {
  const scale = scaleOf(column)
  return { type: mapType(column.type).columnType, ...(scale === undefined ? {} : { scale }) }
}

/**
 * Digits after the point of every value of a column declared as numeric(p, s); undefined for others. The modifier's low 11
 * bits are s, signed (PostgreSQL, src/backend/utils/adt/numeric.c): a negative one rounds before the point.
 */
function scaleOf({ typeOid, typeModifier }: Pick<MirroredColumn, 'typeOid' | 'typeModifier'>): number | undefined {
  if (typeOid !== NUMERIC_OID || typeModifier < 0) return undefined
  return Math.max(0, (((typeModifier - 4) & 0x7ff) ^ 0x400) - 0x400)
}

/** Names of the columns that get an index: all but booleans, and a key column that has one of its own. */
export function indexedColumns(source: SourceTable): string[] {
  const isOnlyKey = (name: string) => source.key.length === 1 && source.key[0] === name
  return source.columns
    .filter((column) => mapType(column.type).columnType !== 'boolean' && !isOnlyKey(column.name))
    .map((column) => column.name)
}

/**
 * The steps that bring the table described by `mirrored` to the columns of `source`, none where they fit; undefined where
 * its rows must be copied again, because more than the steps may have changed.
 */
export function planSteps(mirrored: MirroredTable, source: SourceTable, publishedAs: string): ColumnStep[] | undefined {
  const current = describeSource(source, publishedAs)
  const isSameTable =
    mirrored.oid === current.oid && mirrored.publishedAs === publishedAs && mirrored.key.join() === current.key.join()
  if (!isSameTable || !hasSamePartitions(mirrored, source)) return undefined
  // Rewritten files are nothing by themselves (VACUUM FULL does it), nor is a changed catalogue entry (SET DEFAULT).
  const isRewritten = mirrored.storage !== current.storage
  const drops: ColumnStep[] = []
  const renames: ColumnStep[] = []
  const adds: ColumnStep[] = []
  for (const before of mirrored.columns) {
    const after = current.columns.find((column) => column.number === before.number)
    if (after === undefined) {
      if (mirrored.key.includes(before.number)) return undefined
      drops.push({ kind: 'drop', name: before.name })
    } else {
      if (!keepsValues(before, after, isRewritten)) return undefined
      if (after.name !== before.name) renames.push({ kind: 'rename', name: before.name, newName: after.name })
    }
  }
  // A name given on to another column would need an order of renaming.
  if (renames.some((step) => step.kind === 'rename' && mirrored.columns.some(({ name }) => name === step.newName))) {
    return undefined
  }
  for (const column of source.columns) {
    if (mirrored.columns.some(({ number }) => number === column.number)) continue
    if (!startsAsNull(column, mirrored, isRewritten)) return undefined
    adds.push({ kind: 'add', name: column.name, definition: columnDefinition(column) })
  }
  return [...drops, ...renames, ...adds]
}

/** Truncating, detaching, dropping a partition, and attaching one with rows, are not published through the root. */
function hasSamePartitions(mirrored: MirroredTable, source: SourceTable): boolean {
  const current = new Map(source.partitions.map((partition) => [String(partition.oid), partition]))
  const known = Object.entries(mirrored.partitions)
  return (
    known.every(([oid, storage]) => current.get(oid)?.storage === storage) &&
    source.partitions.every(({ oid, wasMadeHere }) => wasMadeHere || mirrored.partitions[oid] !== undefined)
  )
}

/** Whether every row's value is the same under both definitions of a column. */
function keepsValues(before: MirroredColumn, after: MirroredColumn, isRewritten: boolean): boolean {
  if (isRewritten && before.definedIn !== after.definedIn) return false
  if (!before.isNullable && after.isNullable) return false
  if (scaleOf(before) !== scaleOf(after)) return false
  const labels = Object.keys(before.labels)
  if (labels.some((oid) => before.labels[oid] !== after.labels[oid])) return false
  return before.typeOid === after.typeOid || (TEXT_OIDS.includes(before.typeOid) && TEXT_OIDS.includes(after.typeOid))
}

/** Whether a column that is not mirrored yet was added without values for the rows there were. */
function startsAsNull(column: SourceColumn, mirrored: MirroredTable, isRewritten: boolean): boolean {
  return column.number > mirrored.lastColumnNumber && column.isNullable && !column.hasMissingValue && !isRewritten
}

function labelsOf(type: PostgresType): Readonly<Record<string, string>> {
  return (type.kind === 'array' ? type.element! : type).labels ?? {}
}
