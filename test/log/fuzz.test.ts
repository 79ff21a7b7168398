import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/db/open-heap'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import { SnapheapError } from '../../src/errors'
import { SEGMENT } from '../../src/log/format'
import { nativeMemory } from '../heap/support/memories'
import { withFolder } from '../support/heap'
import { IS_LONG } from '../support/long'
import { seeded } from '../support/random'
import { rowsOf } from '../support/store'
import { type Damage, exchange, flip, lose, rename, segmentsOf, splice, swap, truncate, zero } from './support/damage'
import { smallWindows } from './support/small-windows'

const memory = smallWindows(nativeMemory())
const ROUNDS = IS_LONG ? 300 : 40
const NEWEST = 40
const FORK = 26

/**
 * Commits versions from `from` to `to`, with checkpoints at 10 and 20, and adds the rows of each version to `states`.
 */
async function build(path: string, from: number, to: number, word: string, states: string[]): Promise<void> {
  const store = Store.open(path, { memory, segmentBytes: 3000 })
  const random = seeded(from)
  for (let version = from; version <= to; version++) {
    store.write((tx) => {
      if (version === 2)
        tx.createTable('t', {
          key: 'id',
          columns: { id: 'integer', text: 'string', n: { type: 'integer', unique: true } },
        })
      for (let i = 0; i < 4; i++) {
        const id = Math.floor(random() * 40)
        if (random() < 0.2) tx.delete('t', id)
        else tx.upsert('t', { id, text: `${word} ${version} `.repeat(random() ** 3 * 60), n: version * 10 + i })
      }
    })
    states[version] = shown(store)
    if (version === 10 || version === 20) await store.checkpoint()
  }
  await store.close()
}

function shown(store: Store): string {
  if (!store.tableNames.includes('t')) return '[]'
  return JSON.stringify(rowsOf(store.table('t')).sort((a, b) => (a.id as number) - (b.id as number)))
}

let original: string
const states: string[] = ['[]', '[]']
let foreign: string
/** The same database, with other commits from `FORK` on. */
let fork: string

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-'))
  original = join(folder, 'original', 'fuzz.heap')
  foreign = join(folder, 'foreign', 'fuzz.heap')
  fork = join(folder, 'fork', 'fuzz.heap')
  mkdirSync(dirname(original))
  mkdirSync(dirname(foreign))
  await build(foreign, 2, NEWEST, 'version', [])
  await build(original, 2, FORK - 1, 'version', states)
  cpSync(dirname(original), dirname(fork), { recursive: true })
  await build(original, FORK, NEWEST, 'version', states)
  await build(fork, FORK, NEWEST, 'another', [])
  return () => rmSync(folder, { recursive: true, force: true })
})

/**
 * Damages a copy, and opens it. An error must be typed and name a path; without one, rows must be those of some
 * version.
 */
async function expectHarmless(damage: Damage, seed: number, isLog: boolean, options: StoreOptions): Promise<void> {
  await withFolder(async (folder) => {
    cpSync(dirname(original), folder, { recursive: true })
    const path = join(folder, 'fuzz.heap')
    const filesOf = (each: string): string[] => (isLog ? segmentsOf(each) : [each])
    const what = `seed ${seed}: ${damage(seeded(seed), filesOf(path), filesOf(foreign))}`
    let store: Store | undefined
    try {
      if (!isLog) await verify(path, { memory })
      store = Store.open(path, { memory, onFailure: () => undefined, ...options })
      expect(shown(store), what).toBe(states[store.version])
      expect(store.check().problems, what).toEqual([])
      if (!store.isReadOnly) {
        const version = store.version
        store.write((tx) => tx.createTable('another', { key: 'id', columns: { id: 'integer' } }))
        await store.close()
        store = Store.open(path, { memory })
        expect(store.version, what).toBe(version + 1)
        expect(store.tableNames, what).toContain('another')
      }
    } catch (error) {
      if (!(error instanceof SnapheapError)) throw error
      expect(['CORRUPT', 'VERSION', 'NOT_FOUND'], `${what}: ${error.message}`).toContain(error.code)
      expect(error.details.path, `${what}: ${error.message}`).toContain(folder)
    } finally {
      await store?.close()
    }
  })
}

describe('damage ends in a typed error that names the file, or in the rows of an earlier version', () => {
  test.each<[string, Damage]>(Object.entries({ flip, truncate, splice, zero, swap, lose, exchange, rename }))(
    'of the log: %s',
    async (_, damage) => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        await expectHarmless(damage, seed, true, seed % 3 === 0 ? { readOnly: true } : {})
      }
    },
  )

  test.each<[string, Damage]>(Object.entries({ flip, truncate, splice, zero, lose, exchange }))(
    'of the file beside it, which is verified first: %s',
    async (_, damage) => {
      for (let seed = 1; seed <= ROUNDS / 2; seed++) await expectHarmless(damage, seed, false, {})
    },
  )

  test('of the log, which is cut where it is damaged: flip', async () => {
    for (let seed = 1; seed <= ROUNDS; seed++) await expectHarmless(flip, seed, true, { recovery: 'cut' })
  })

  test('of the log: each segment in turn is that of another history of the same database', async () => {
    const segments = segmentsOf(fork)
    let count = 0
    for (const [i, segment] of segments.entries()) {
      const replace: Damage = (_random, files) => {
        const same = files.find((file) => basename(file) === basename(segment))
        if (same === undefined || readFileSync(same).equals(readFileSync(segment))) return 'nothing'
        count++
        copyFileSync(segment, same)
        return `${same} is of another history`
      }
      await expectHarmless(replace, i, true, {})
    }
    expect(count).toBeGreaterThan(2)
  })

  test('of the log: its last records are those of another history of the same database', async () => {
    const theirs = readFileSync(segmentsOf(fork).at(-1)!)
    const places: number[] = []
    for (let at = SEGMENT.sizeBytes + theirs.readUInt32LE(SEGMENT.sizeBytes); at < theirs.length; ) {
      places.push(at)
      at += theirs.readUInt32LE(at)
    }
    expect(places.length).toBeGreaterThan(0)
    for (const place of places) {
      const replace: Damage = (_random, files) => {
        const mine = readFileSync(files.at(-1)!)
        expect(mine.subarray(place).equals(theirs.subarray(place))).toBe(false)
        writeFileSync(files.at(-1)!, Buffer.concat([mine.subarray(0, place), theirs.subarray(place)]))
        return `the records from byte ${place} on are of another history`
      }
      await expectHarmless(replace, place, true, {})
    }
  })
})
