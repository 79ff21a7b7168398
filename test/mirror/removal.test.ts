import { afterEach, beforeEach, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { MirroredTable } from '../../src/mirror/mirrored-table'
import { removeLeftovers } from '../../src/mirror/removal'
import { type CopyNote, setRole, type TableRole } from '../../src/mirror/state'

const SLOT = 'slot'
const SOURCE = { oid: 1 } as MirroredTable
const NOTE: CopyNote = {
  lsn: '0/1',
  isAtSlot: false,
  systemId: '1',
  publication: '1',
  xmin: '1',
  leaves: null,
  blocks: {},
  sizeBytes: 0,
  isWhole: false,
}

let store: Store
beforeEach(() => {
  store = Store.open()
  for (const [name, role] of [
    ['a~old1', 'old'],
    ['b~copy2', 'copy'],
    ['c~copy3', 'copy'],
  ] satisfies [string, TableRole][]) {
    store.write((transaction) => {
      transaction.createTable(name, { key: 'id', columns: { id: 'integer' } })
      transaction.insert(name, { id: 1 })
      setRole(transaction, name, SLOT, role, SOURCE)
    })
  }
})
afterEach(() => store.close())

test('what is a copy to go on with, or is served, once its turn comes is left alone', async () => {
  let isChanged = false
  await removeLeftovers(store, SLOT, () => {
    if (isChanged) return true
    isChanged = true
    store.write((transaction) => {
      transaction.manage()
      setRole(transaction, 'b~copy2', SLOT, 'copy', SOURCE, NOTE)
      transaction.renameTable('c~copy3', 'c')
      setRole(transaction, 'c', SLOT, 'served', SOURCE)
    })
    return true
  })
  expect(store.tableNames.sort()).toEqual(['b~copy2', 'c'])
  expect(store.table('b~copy2').rowCount).toBe(1)
})

test('what has lost its place goes, with copies that cannot be gone on with, but none that is in use', async () => {
  await removeLeftovers(store, SLOT, (name) => name !== 'b~copy2')
  expect(store.tableNames).toEqual(['b~copy2'])
})
