import { expect, test } from 'vitest'
import { decodeTimestamp } from '../../src/mirror/timestamps'
import { memoryStore } from '../support/store'

test.each([
  ['275760-09-13 00:00:00+00', new Date(8.64e15)],
  ['275760-09-13 00:00:00.001+00', '+275760-09-13T00:00:00.001000Z'],
  ['290000-01-01 12:34:56.789012+00', '+290000-01-01T12:34:56.789012Z'],
  ['294276-12-31 23:59:59.999999+00', '+294276-12-31T23:59:59.999999Z'],
])(
  'a timestamp that no Date holds, %s, reads as its text, to the microsecond, and is found and stored again by it',
  (text, expected) => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', at: 'timestamp' } })
      const { interner } = tx.writer('t')
      interner.number(1)
      const id = [interner.low, interner.high]
      decodeTimestamp(Buffer.from(text), 0, text.length, interner)
      tx.writer('t').insertWords(Int32Array.of(...id, interner.low, interner.high))
    })
    expect(store.table('t').get(1)).toEqual({ id: 1, at: expected })
    store.write((tx) => tx.insert('t', { id: 2, at: expected }))
    expect(store.table('t').findRows({ at: expected })).toEqual([1, 2])
  },
)
