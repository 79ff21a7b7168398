import type pg from 'pg'
import type { SourceLeaf, SourceTable } from './catalogue'
import { type CopyHandlers, copyRows } from './copy'
import { type CopySelection, copyCommand, inBlocks, releasingIndexes, writtenBefore } from './copy-command'
import type { CopyRequest } from './copy-tables'
import { copySilence } from './liveness'
import { deleteRows } from './removal'
import { RowFinder } from './row-finder'
import type { KeptCopy } from './state'

/**
 * Brings what an interrupted session has copied of a table to what its rows are in the transaction of `client`. All
 * that older transactions than the note's had committed is in the copy. So of the rows in its blocks those written
 * before are in it, and have stayed the same: their keys alone are read. Rows of other keys have gone, or were written
 * after: they are deleted, and what was written after in these blocks is copied. Broken off at any point it can begin
 * again with the same note. Where rows keep their place and the id of their writer: as long as `description` and the
 * server's history are the same.
 *
 * Returns false where a row that must be in the copy is not: it is to be given up then.
 */
export async function updateCopy(
  request: CopyRequest,
  client: pg.Client,
  source: SourceTable,
  kept: KeptCopy,
  load: (leaf: SourceLeaf, selection: CopySelection) => Promise<unknown>,
): Promise<boolean> {
  const { note, copyName } = kept
  const copied = source.leaves.filter(({ oid }) => note.blocks[oid] !== undefined)
  const inCopy = (leaf: SourceLeaf, condition: string): string => {
    const end = note.blocks[leaf.oid]
    return end === null ? condition : `${inBlocks(0, end)} AND ${condition}`
  }
  const unchanged = await findUnchanged(request, client, source, kept, copied, (leaf) =>
    inCopy(leaf, writtenBefore(note.xmin)),
  )
  if (unchanged === undefined) return false
  await deleteRows(request.store, copyName, {
    isKept: (row) => unchanged[row] === 1,
    mayGoOn: () => {
      request.checkpoint()
      return true
    },
  })
  for (const leaf of copied) await load(leaf, { condition: inCopy(leaf, `NOT ${writtenBefore(note.xmin)}`) })
  return true
}

async function findUnchanged(
  { store, checkpoint, connection, signal }: CopyRequest,
  client: pg.Client,
  source: SourceTable,
  { copyName }: KeptCopy,
  leaves: readonly SourceLeaf[],
  conditionOf: (leaf: SourceLeaf) => string,
): Promise<Uint8Array | undefined> {
  const snapshot = store.snapshot('copy')
  try {
    const table = snapshot.table(copyName)
    const unchanged = new Uint8Array(table.rowLimit)
    const columns = source.key.map((name) => source.columns.find((column) => column.name === name)!)
    const finder = new RowFinder(table, columns, source.key)
    let areFound = true
    for (const leaf of leaves) {
      const command = copyCommand(source, leaf, { condition: conditionOf(leaf), columns: source.key })
      const handlers: CopyHandlers = {
        onRow(bytes, starts, ends) {
          const row = finder.find(bytes, starts, ends)
          if (row < 0) areFound = false
          else unchanged[row] = 1
        },
        onChunk(read) {
          checkpoint()
          read()
          return undefined
        },
        silence: copySilence(client, connection, signal),
      }
      await releasingIndexes(client, () => copyRows(client, command, columns.length, handlers))
    }
    return areFound ? unchanged : undefined
  } finally {
    snapshot.close()
  }
}
