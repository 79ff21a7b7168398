import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Snapshot } from '../../src/db/snapshot'
import { fileStore, temporaryPath } from '../support/store'

const ROWS = 3000
const PHASES = 45

test('overwriting and deleting without end, with snapshots coming and going, uses no more and no more space', async () => {
  const path = temporaryPath()
  const store = fileStore(path, {
    durability: { intervalMs: 20 },
    segmentBytes: 200_000,
    checkpoint: { logBytes: 1 << 20 },
  })
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', group: 'integer', text: 'string', data: 'any' } })
  })
  let state = 1
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % below
  }
  const held: Snapshot[] = []
  const sizes: { file: number; arena: number; log: number }[] = []
  for (let phase = 0; phase < PHASES; phase++) {
    for (let commit = 0; commit < 60; commit++) {
      store.write((tx) => {
        for (let i = 0; i < 25; i++) {
          const id = random(ROWS)
          if (random(4) === 0) tx.delete('t', id)
          else {
            const text = `text ${random(50)}`
            tx.upsert('t', { id, group: random(40), text, data: [id, text, random(1e6)] })
          }
        }
      })
      if (commit % 20 === 10) held.push(store.snapshot('soak'))
      if (held.length > 4) held.shift()!.close()
    }
    await store.checkpoint()
    const { fileBytes, arenaBytes } = store.stats()
    sizes.push({ file: fileBytes, arena: arenaBytes, log: logBytesOf(path) })
  }
  for (const snapshot of held) snapshot.close()

  const copy = `${path}.fresh`
  await store.saveAs(copy)
  const fresh = statSync(copy).size
  const settled = sizes.slice(PHASES / 3)
  const slack = 128 * 32768 + 2 * 32768 // below this much dead space a file is not rewritten
  for (const { file } of settled) expect(file).toBeLessThan(2 * fresh + slack)
  for (const what of ['file', 'arena', 'log'] as const) {
    const values = settled.map((each) => each[what])
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length
    expect(Math.abs(slope(values)) * values.length, `${what}: ${values.join(' ')}`).toBeLessThan(mean * 0.6 + 1)
  }
  await store.compact()
  expect(store.stats().deadFileBytes).toBe(0)
  expect(statSync(path).size).toBe(fresh)
})

function logBytesOf(path: string): number {
  return readdirSync(`${path}.log`).reduce((sum, name) => sum + statSync(join(`${path}.log`, name)).size, 0)
}

/** Of the line that fits best (least squares). */
function slope(values: readonly number[]): number {
  const n = values.length
  const meanX = (n - 1) / 2
  const meanY = values.reduce((sum, each) => sum + each, 0) / n
  const [covariance, variance] = values.reduce(
    ([c, v], y, x) => [c! + (x - meanX) * (y - meanY), v! + (x - meanX) ** 2],
    [0, 0],
  )
  return covariance! / variance!
}
