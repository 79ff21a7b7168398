import { expect, test } from 'vitest'
import { type Files, nodeFiles } from '../../src/heap/files'
import { closeChecked, fileStore, temporaryPath } from '../support/store'
import { StoreOverFiles } from './support/store-over-files'

/** Files that count what is asked of them. */
function counting(): { files: Files; counts: Map<string, number> } {
  const counts = new Map<string, number>()
  const files = new Proxy(nodeFiles, {
    get(target, name: keyof Files) {
      const member = target[name]
      if (typeof member !== 'function') return member
      return (...args: never[]) => {
        counts.set(name, (counts.get(name) ?? 0) + 1)
        return (member as (...args: never[]) => unknown)(...args)
      }
    },
  })
  return { files, counts }
}

const TABLE = { key: 'id', columns: { id: 'integer', text: { type: 'string', index: false } } } as const

test('a look of a follower opens no file and reads no header of a segment', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval' })
  store.write((tx) => tx.createTable('t', TABLE))
  await store.sync()
  const { files, counts } = counting()
  const follower = StoreOverFiles.over(path, { follow: true, showUnsynced: true, files })
  for (let id = 0; id < 20; id++) {
    store.write((tx) => tx.insert('t', { id, text: 'short' }))
    await store.sync()
    follower.following!.look()
    expect(follower.version).toBe(store.version)
    if (id === 0) counts.clear() // it knows the segment now
  }
  expect([counts.get('open') ?? 0, counts.get('exists') ?? 0]).toEqual([0, 0])
  expect((counts.get('read') ?? 0) / 19).toBeLessThan(15) // two or three looks at each commit
  await closeChecked(follower)
})

test('a log is read in large pieces when it is replayed, each once', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', checkpoint: { logBytes: Number.POSITIVE_INFINITY } })
  store.write((tx) => tx.createTable('t', TABLE))
  for (let id = 0; id < 3000; id++) store.write((tx) => tx.insert('t', { id, text: 'x'.repeat(1000) }))
  await closeChecked(store)
  const { files, counts } = counting()
  const again = StoreOverFiles.over(path, { readOnly: true, files })
  expect(again.table('t').rowCount).toBe(3000)
  expect(counts.get('read')).toBeLessThan(40) // 3.6 MB in pieces of 256 KB, and what finds segments, roots and the end
  await closeChecked(again)
})
