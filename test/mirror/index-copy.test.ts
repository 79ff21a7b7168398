import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/db/open-heap'
import type { Store } from '../../src/db/store'
import { indexColumns } from '../../src/mirror/index-copy'
import { IndexBuilder } from '../../src/table/index-builder'
import { RowBatch } from '../../src/table/row-batch'
import { SortMemory } from '../../src/table/sort-memory'
import { memoryWithoutKernels, nativeMemory } from '../heap/support/memories'
import { IS_LONG } from '../support/long'
import { errorOf, memoryStore } from '../support/store'

/** Enough for the sorting and the writing to take many turns. */
const ROWS = IS_LONG ? 300_000 : 150_000
const COLUMNS = ['same', 'few', 'many', 'own']
const nobodyStops = () => undefined

/** Columns of one value, of few, of many and of a value for each row; none is indexed. */
function storeWithRows(options: StoreOptions = {}): Store {
  const store = memoryStore(options)
  store.write((tx) => {
    tx.createTable('note', { key: 'id', columns: { id: 'integer', text: 'string' } })
    tx.createTable('copy', {
      key: 'id',
      columns: Object.fromEntries(['id', ...COLUMNS].map((name) => [name, { type: 'integer' as const, index: false }])),
    })
    const writer = tx.writer('copy')
    writer.expectedRows = ROWS
    const batch = new RowBatch(5, 1000)
    for (let first = 0; first < ROWS; first += 1000) {
      batch.count = 1000
      for (let r = 0; r < 1000; r++) {
        for (const [i, value] of [first + r, 7, (first + r) % 10, (first + r) % 9973, ROWS - first - r].entries()) {
          writer.interner.number(value)
          batch.words[batch.start(i) + r * 2] = writer.interner.low
          batch.words[batch.start(i) + r * 2 + 1] = writer.interner.high
        }
      }
      writer.insertBatch(batch)
    }
  })
  return store
}

/** Calls `turn` in every turn of the event loop until the promise is settled; returns how many there were. */
async function turnsOf(promise: Promise<unknown>, turn: (count: number) => void = () => undefined): Promise<number> {
  let turns = 0
  let isOver = false
  const next = () => {
    if (isOver) return
    turn(++turns)
    setImmediate(next)
  }
  setImmediate(next)
  await promise.finally(() => {
    isOver = true
  })
  return turns
}

function indexAll(store: Store): Promise<void> {
  return indexColumns(store, 'copy', COLUMNS, nobodyStops)
}

describe('indexing a large copy', () => {
  test.each([
    ['in another thread', nativeMemory()],
    ['in slices', memoryWithoutKernels()],
  ])('leaves other events their turns, and those of the sorting, %s, free to write', async (_where, memory) => {
    const store = storeWithRows({ memory })
    let written = 0
    let refused = 0
    const turns = await turnsOf(indexAll(store), (count) => {
      try {
        store.write((tx) => tx.insert('note', { id: count, text: `written in turn ${count}` }))
        written++
      } catch (error) {
        expect(error).toMatchObject({ code: 'BUSY' })
        refused++
      }
    })
    expect(turns).toBeGreaterThan(4)
    expect(written).toBeGreaterThan(0)
    expect(written + refused).toBe(turns)
    expect(store.table('note').rowCount).toBe(written)
    const table = store.table('copy')
    expect(table.findRows({ same: 7 }).length).toBe(ROWS)
    expect(table.findRows({ few: 3 }).length).toBe(ROWS / 10)
    expect(table.findRows({ many: 9972 }).slice(0, 2)).toEqual([9972, 9972 + 9973])
    expect(table.findRows({ own: 1 })).toEqual([ROWS - 1])
    expect(table.columns.map((column) => column.isIndexed)).toEqual([false, true, true, true, true])
  })

  test('leaves the heap sound in the middle, and as it was when it is stopped', async () => {
    const store = storeWithRows()
    const before = store.stats().usedBytes
    // However far it comes: in the sorting, in the writing, just before the end.
    for (const most of [0, 1, 2, 5]) {
      let checkpoints = 0
      const stopped = indexColumns(store, 'copy', ['own'], () => {
        if (checkpoints++ === most) throw errorOf(() => store.table('nothing'))
      })
      await turnsOf(
        stopped.catch((error) => {
          expect(error).toMatchObject({ code: 'NOT_FOUND' })
        }),
        (count) => {
          if (count === most) expect(store.check().problems).toEqual([])
        },
      )
      if (store.table('copy').column('own').isIndexed) break // it was through before that
      expect(store.stats().usedBytes).toBe(before)
      expect(store.check().problems).toEqual([])
    }
  })

  test('is waited for by a database that closes', async () => {
    const store = storeWithRows()
    let isSorted = false
    const table = store.table('copy')
    const sorting = store.readPinned(async (view) => {
      await IndexBuilder.of(table, table.column('own'), new SortMemory()).sortAsync(view)
      isSorted = true
    })
    await store.close()
    expect(isSorted).toBe(true)
    await sorting
  })
})
