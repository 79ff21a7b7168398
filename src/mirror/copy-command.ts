import pg from 'pg'
import { qualifiedName, type SourceLeaf, type SourceTable } from './catalogue'
import { queryRows } from './connection'

/** How long a part may wait for a statement that has locked an index. */
const INDEX_LOCK_TIMEOUT_MS = 20_000

/** Some rows of a leaf, and some columns of them. */
export interface CopySelection {
  /** SQL over the columns of the leaf, its system columns included. */
  condition: string
  /** Names; default: all that are mirrored. */
  columns?: readonly string[]
}

/**
 * The SQL that sends the rows of a leaf, in the table's columns; without one those of the whole table, but not of
 * tables that inherit from an ordinary one. A role that may read a partitioned table may lack the right to read a
 * partition by its own name.
 */
export function copyCommand(source: SourceTable, leaf?: SourceLeaf, selection?: CopySelection): string {
  const names = selection?.columns ?? source.columns.map(({ name }) => name)
  const columns = names.map((name) => pg.escapeIdentifier(name)).join(', ')
  const isByName = !source.isPartitioned || leaf?.isReadable === true
  const relation = source.isPartitioned && isByName ? qualifiedName(leaf!) : qualifiedName(source)
  if (isByName && selection === undefined) return `COPY ${relation} (${columns}) TO STDOUT`
  const conditions = [
    ...(isByName || leaf === undefined ? [] : [`tableoid = ${leaf.oid}`]),
    ...(selection === undefined ? [] : [selection.condition]),
  ]
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return `COPY (SELECT ${columns} FROM ${isByName ? 'ONLY ' : ''}${relation}${where}) TO STDOUT`
}

/** Rows in the blocks of a leaf from `first` on, before `end` if there is one. */
export function inBlocks(first: number, end: number | undefined): string {
  const from = `ctid >= '(${first},0)'`
  return end === undefined ? from : `${from} AND ctid < '(${end},0)'`
}

/**
 * Rows as they were written by transactions before `xmin`, which is at most 2^31 transactions ago. The ids of those
 * that wrote rows long ago, and of frozen rows, compare as older, or as newer where they are much older.
 */
export function writtenBefore(xmin: string): string {
  return `age(xmin) > age('${BigInt(xmin) & 0xffff_ffffn}'::xid)`
}

/**
 * Runs a COPY of selected rows within a transaction. Unlike one of a whole table it locks the indexes, as any query
 * does. These locks end with it: REINDEX, which has the writers of the table wait, must not wait for all of the copy.
 */
export async function releasingIndexes<T>(client: pg.Client, copy: () => Promise<T>): Promise<T> {
  const sql = `SAVEPOINT part; SET LOCAL lock_timeout = ${INDEX_LOCK_TIMEOUT_MS}`
  await queryRows(client, 'copying a part failed', sql)
  const result = await copy()
  await queryRows(client, 'copying a part failed', 'ROLLBACK TO part; RELEASE part')
  return result
}
