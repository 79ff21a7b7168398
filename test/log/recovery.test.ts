import { expect, test } from 'vitest'
import { nodeFiles } from '../../src/heap/files'
import { closeChecked, errorOf, fileStore, rejectionOf, temporaryPath } from '../support/store'
import { StoreOverFiles } from './support/store-over-files'

const DEFINITION = { key: 'id', columns: { id: 'integer', text: 'string' } } as const

test('a block changed by one commit and dropped by the next is free after recovery (seed 301700)', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => {
    tx.createTable('t', DEFINITION)
    for (let id = 0; id < 9000; id++) tx.insert('t', { id, text: `text ${id}` })
  })
  await store.save()
  store.write((tx) => tx.update('t', 5, { text: 'another' }))
  store.write((tx) => tx.truncate('t'))
  store.write((tx) => tx.insert('t', { id: 1, text: 'the first again' }))
  await closeChecked(store)
  const again = fileStore(path)
  expect(again.recovery.commits).toBe(3)
  expect(again.table('t').get(1)).toEqual({ id: 1, text: 'the first again' })
  await closeChecked(again)
})

test('a bulk load whose last sync fails ends writing: the file may hold it, and is asked at the next opening', async () => {
  const path = temporaryPath()
  let syncsToFailure = Number.POSITIVE_INFINITY
  const files = {
    ...nodeFiles,
    async syncBeside(fd: number): Promise<void> {
      if (--syncsToFailure === 0) throw Object.assign(new Error('failed on purpose'), { code: 'EIO' })
      await nodeFiles.syncBeside(fd)
    },
  }
  const store = StoreOverFiles.over(path, { files })
  try {
    store.write((tx) => tx.createTable('t', DEFINITION))
    await store.save()
    syncsToFailure = 2 // of blocks and map, then of the root
    const load = store.bulkLoad(async (tx) => tx.insert('t', { id: 1, text: 'loaded' }))
    expect((await rejectionOf(load)).code).toBe('IO')
    expect(store.table('t').rowCount).toBe(0)
    const refused = errorOf(() => store.write((tx) => tx.insert('t', { id: 2, text: 'lost?' })))
    expect([refused.code, refused.message]).toEqual(['IO', expect.stringContaining('open it again')])
    expect(store.check().problems).toEqual([])
  } finally {
    await store.close()
  }
  const again = fileStore(path)
  expect(again.table('t').get(1)).toEqual({ id: 1, text: 'loaded' }) // the root was written after all
  again.write((tx) => tx.insert('t', { id: 2, text: 'kept' }))
  await closeChecked(again)
  expect(fileStore(path).table('t').rowCount).toBe(2)
})
