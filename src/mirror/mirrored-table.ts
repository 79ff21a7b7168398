import type { ColumnDefinition, TableDefinition } from '../table/definition'
import type { SourceColumn, SourceLeaf, SourceTable } from './catalogue'
import { mapType } from './types'

/** A column as it was when its values were copied. */
export interface MirroredColumn {
  number: number
  name: string
  typeOid: number
  typeModifier: number
  isNullable: boolean
  /** What the text of its values depended on. */
  labels: Readonly<Record<string, string>>
  attributes: string
}

/** What is remembered of a relation whose rows are mirrored. */
export interface MirroredLeaf {
  storage: string
  attachedBy: string
  lastColumnNumber: number
  /** Number and `definedIn` of each mirrored column, in the order of the table's columns: "1 734, 2 734". */
  columns: string
}

/**
 * What a mirrored table remembers of its source, in its properties: enough to tell later, also after a restart, whether
 * the source still has the same rows in the same columns. A plain document.
 */
export interface MirroredTable {
  oid: number
  schema: string
  name: string
  replicaIdentity: string
  /** Numbers of the key's columns. */
  key: readonly number[]
  lastColumnNumber: number
  /** The table's entry in the publication: another one means that changes may be missing. */
  publishedAs: string
  columns: readonly MirroredColumn[]
  /** By oid: where its rows come from. */
  leaves: Readonly<Record<string, MirroredLeaf>>
}

/** A change of a mirrored table's columns that needs no look at the rows. */
export type ColumnStep =
  | { kind: 'drop'; name: string }
  | { kind: 'rename'; name: string; newName: string }
  | { kind: 'allow null'; name: string }
  | { kind: 'add'; name: string; definition: ColumnDefinition }

/** What brings a mirrored table into step with its source. */
export interface TablePlan {
  /** Changes of its columns, in order. */
  steps: ColumnStep[]
  /** Leaves whose rows may be others than the mirrored ones: they are copied. */
  copied: SourceLeaf[]
  /** Oids of leaves that have gone, whose rows go. */
  removed: number[]
}

const NUMERIC_OID = 1700
/** Types whose values keep their text when a column changes between them without being rewritten. */
const TEXT_OIDS: readonly number[] = [25, 1043] // text, varchar

/**
 * Name of the table's mirror: that of the table, behind its schema unless that is `public`. It stays when the table is
 * renamed.
 */
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
    key: source.key.map((name) => source.columns.find((column) => column.name === name)?.number ?? 0),
    lastColumnNumber: source.lastColumnNumber,
    publishedAs,
    columns: source.columns.map(({ number, name, typeOid, typeModifier, isNullable, type }) => ({
      number,
      name,
      typeOid,
      typeModifier,
      isNullable,
      labels: type.text.labels,
      attributes: type.text.attributes,
    })),
    leaves: Object.fromEntries(source.leaves.map((leaf) => [leaf.oid, describeLeaf(source, leaf)])),
  }
}

function describeLeaf(source: SourceTable, leaf: SourceLeaf): MirroredLeaf {
  const { storage, attachedBy, lastColumnNumber } = leaf
  const columns = source.columns.map(({ name }) => {
    const { number, definedIn } = leaf.columns.find((column) => column.name === name)!
    return `${number} ${definedIn}`
  })
  return { storage, attachedBy, lastColumnNumber, columns: columns.join(', ') }
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

function columnDefinition(column: Omit<SourceColumn, 'name'>): ColumnDefinition {
  const scale = scaleOf(column)
  return { type: mapType(column.type).columnType, ...(scale === undefined ? {} : { scale }) }
}

/**
 * Digits after the point of every value of a column declared as numeric(p, s); undefined for others. The modifier's low
 * 11 bits are s, signed (PostgreSQL, src/backend/utils/adt/numeric.c): a negative one rounds before the point.
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
 * What brings the table described by `mirrored` into step with `source`; undefined where it has to be made anew,
 * because its key or the types of its columns are others. Leaves that are not proven to be the same are copied.
 */
export function planTable(mirrored: MirroredTable, source: SourceTable, publishedAs: string): TablePlan | undefined {
  const current = describeSource(source, publishedAs)
  if (mirrored.oid !== current.oid || mirrored.leaves === undefined) return undefined
  if (mirrored.key.join() !== current.key.join()) return undefined
  const pairs: ColumnPair[] = []
  const drops: ColumnStep[] = []
  const renames: ColumnStep[] = []
  const loosened: ColumnStep[] = []
  for (const [place, before] of mirrored.columns.entries()) {
    const after = current.columns.find((column) => column.number === before.number)
    if (after === undefined) {
      if (mirrored.key.includes(before.number)) return undefined
      drops.push({ kind: 'drop', name: before.name })
      continue
    }
    if (!fitsSameColumn(before, after)) return undefined
    pairs.push({ place, before, after })
    if (after.isNullable && !before.isNullable) {
      if (mirrored.key.includes(before.number)) return undefined
      loosened.push({ kind: 'allow null', name: after.name })
    }
    if (after.name !== before.name) renames.push({ kind: 'rename', name: before.name, newName: after.name })
  }
  // A name given on from one column to another would need an order of renaming.
  const isGivenOn = (pair: ColumnPair): boolean =>
    pairs.some((other) => other !== pair && other.before.name === pair.after.name)
  if (pairs.some(isGivenOn)) return undefined
  const added = source.columns.filter(({ number }) => mirrored.columns.every((column) => column.number !== number))
  const adds = added.map(
    ({ name, ...column }): ColumnStep => ({ kind: 'add', name, definition: columnDefinition(column) }),
  )
  // Until the change was noticed, the values of the new column went into the old one.
  const hasReusedName = added.some(({ name }) => mirrored.columns.some((column) => column.name === name))
  const isDoubtful =
    hasReusedName ||
    mirrored.publishedAs !== publishedAs ||
    pairs.some(({ before, after }) => !hasSameText(before, after))
  const isKept = (leaf: SourceLeaf): boolean => {
    const known = mirrored.leaves[leaf.oid]
    return (
      known !== undefined && keepsRows(known, leaf, pairs) && added.every(({ name }) => startsAsNull(name, known, leaf))
    )
  }
  return {
    steps: [...drops, ...renames, ...loosened, ...adds],
    copied: source.leaves.filter((leaf) => isDoubtful || !isKept(leaf)),
    removed: Object.keys(mirrored.leaves)
      .map(Number)
      .filter((oid) => source.leaves.every((leaf) => leaf.oid !== oid)),
  }
}

/** Whether a table is in step already. */
export function isDone(plan: TablePlan | undefined): boolean {
  return plan !== undefined && plan.steps.length + plan.copied.length + plan.removed.length === 0
}

/** A column that is still there, and its place among the mirrored ones. */
interface ColumnPair {
  place: number
  before: MirroredColumn
  after: MirroredColumn
}

/** Whether a mirrored column can hold the values of its source as it is defined now. */
function fitsSameColumn(before: MirroredColumn, after: MirroredColumn): boolean {
  if (scaleOf(before) !== scaleOf(after)) return false
  return before.typeOid === after.typeOid || (TEXT_OIDS.includes(before.typeOid) && TEXT_OIDS.includes(after.typeOid))
}

/**
 * Whether values that are the same for Postgres have the same text as before. A label that was added may have had
 * another name when rows with it came.
 */
function hasSameText(before: MirroredColumn, after: MirroredColumn): boolean {
  return hasLabels(before, after) && hasLabels(after, before) && before.attributes === after.attributes
}

/** Whether all labels of `few` are among those of `all`. */
function hasLabels(few: MirroredColumn, all: MirroredColumn): boolean {
  return Object.keys(few.labels).every((oid) => few.labels[oid] === all.labels[oid])
}

/** A description with the labels that `source` has besides. */
export function withAddedLabels(mirrored: MirroredTable, source: SourceTable): MirroredTable {
  const { columns: current } = describeSource(source, mirrored.publishedAs)
  const columns = mirrored.columns.map((before) => {
    const after = current.find(({ number }) => number === before.number)
    return after !== undefined && hasLabels(before, after) ? { ...before, labels: after.labels } : before
  })
  return { ...mirrored, columns }
}

/** What an enum's value is called, of what `TextForm.labels` has of it. */
export function labelText(label: string): string {
  return label.slice(0, label.lastIndexOf(' '))
}

/** Whether a leaf has the rows that the stream has told of, with the values that they had. */
function keepsRows(known: MirroredLeaf, leaf: SourceLeaf, pairs: readonly ColumnPair[]): boolean {
  if (known.attachedBy !== leaf.attachedBy) return false
  const columns = known.columns.split(', ')
  // Rewritten files are nothing by themselves (VACUUM FULL does it), nor is a changed catalogue entry (SET DEFAULT).
  const isRewritten = known.storage !== leaf.storage
  return pairs.every(({ place, after }) => {
    const [number, definedIn] = columns[place]!.split(' ')
    const column = leaf.columns.find(({ name }) => name === after.name)
    return column?.number === Number(number) && !(isRewritten && column.definedIn !== definedIn)
  })
}

/** Whether a column that is not mirrored yet was added to a leaf without values for the rows there were. */
function startsAsNull(name: string, known: MirroredLeaf, leaf: SourceLeaf): boolean {
  const column = leaf.columns.find((each) => each.name === name)!
  const isNew = column.number > known.lastColumnNumber
  return isNew && column.isNullable && !column.hasMissingValue && known.storage === leaf.storage
}
