import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import { open } from '../../src/entity/database'
import { SnapheapError } from '../../src/errors'
import { ROOT_SLOT, ROOT_SLOT_OFFSETS } from '../../src/heap/file-format'
import { nodeFiles } from '../../src/heap/files'
import { BLOCK_BYTES } from '../../src/heap/layout'
import { PoolFile } from '../../src/heap/pool-file'
import { nativeMemory } from '../heap/support/memories'
import { withFolder } from '../support/heap'
import { seeded } from '../support/random'
import { rejectionOf, rowsOf } from '../support/store'
import { segmentsOf } from './support/damage'
import { smallWindows } from './support/small-windows'

const memory = smallWindows(nativeMemory())
const ROWS = 300
const ROUNDS = 60

let original: Buffer
/** Bytes of the blocks that the newest state reaches. */
const live: number[] = []

beforeAll(() =>
  withFolder(async (folder) => {
    const path = join(folder, 'a.heap')
    const store = Store.open(path, { memory })
    store.write((tx) => {
      const text = { type: 'string', index: true } as const
      const group = { type: 'integer', index: true } as const
      tx.createTable('t', { key: 'id', columns: { id: 'integer', s: text, g: group } })
      for (let id = 0; id < ROWS; id++) tx.insert('t', { id, s: `this is the text of row ${id % 100}`, g: id % 10 })
    })
    await store.checkpoint()
    await store.close()
    original = readFileSync(path)
    const file = PoolFile.open(memory, nodeFiles, path, false)
    file.close()
    for (const place of file.places) {
      if (place === 0) continue
      for (let at = place * BLOCK_BYTES; at < (place + 1) * BLOCK_BYTES; at++) if (original[at] !== 0) live.push(at)
    }
  }),
)

/** A copy of the file without its log, one bit of a live block flipped. */
function flipped(path: string, random: () => number): void {
  const bytes = Buffer.from(original)
  const at = live[Math.floor(random() * live.length)]!
  bytes[at]! ^= 1 << Math.floor(random() * 8)
  writeFileSync(path, bytes)
}

describe('a flipped bit in a block of the file', () => {
  test('is found when the database is opened with a full check', async () => {
    const random = seeded(1)
    await withFolder(async (own) => {
      const path = join(own, 'a.heap')
      for (let round = 0; round < ROUNDS; round++) {
        flipped(path, random)
        if (round % 10 === 0) expect((await rejectionOf(open(path, { memory, verify: 'full' }))).code).toBe('CORRUPT')
        else expect(() => Store.open(path, { memory, verify: 'full' })).toThrow(/does not match its checksum/)
      }
      writeFileSync(path, original)
      await Store.open(path, { memory, verify: 'full' }).close()
      await (await open(path, { memory, verify: 'full' })).close()
    })
  })

  test('never gets a checksum that fits, whatever is changed and saved after opening without a check', async () => {
    const random = seeded(2)
    const refused = { atOnce: 0, inCommits: 0, inSaves: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      await withFolder(async (own) => {
        const path = join(own, 'a.heap')
        flipped(path, random)
        const damaged = await rejectionOf(verify(path, { memory }))
        const { blocks } = damaged.details as { blocks: number[] }
        let store: Store
        try {
          store = Store.open(path, { memory })
        } catch (error) {
          expect((error as SnapheapError).code).toBe('CORRUPT')
          refused.atOnce++
          return
        }
        // what is read of a damaged block may be anything, so may the error be
        const attempt = async (work: () => unknown): Promise<boolean> => {
          try {
            await work()
            return false
          } catch (error) {
            return error instanceof SnapheapError && error.code === 'CORRUPT'
          }
        }
        for (let i = 0; i < 20; i++) {
          const id = Math.floor(random() * ROWS)
          const isRefused = await attempt(() =>
            store.write((tx) => (random() < 0.3 ? tx.delete('t', id) : tx.update('t', id, { s: `changed ${i % 7}` }))),
          )
          if (isRefused) refused.inCommits++
          if (i % 7 === 0) await store.checkpoint()
        }
        if (await attempt(() => store.saveAs(join(own, 'other.heap')))) refused.inSaves++
        if (await attempt(() => store.compact())) refused.inSaves++
        await store.close()
        const names = readdirSync(own).filter((name) => name.endsWith('.heap') || name.endsWith('.tmp'))
        expect(names).toEqual(['a.heap'])
        const after = await rejectionOf(verify(path, { memory }))
        expect([after.code, (after.details as { blocks: number[] }).blocks]).toEqual(['CORRUPT', blocks])
      })
    }
    expect(refused.inSaves + refused.atOnce).toBeGreaterThanOrEqual(ROUNDS)
    expect(refused.inCommits).toBeGreaterThan(ROUNDS / 4)
  })
})

test('a flipped byte is found by verify wherever it could be read later: any state, kept file or segment', async () => {
  await withFolder(async (own) => {
    const path = join(own, 'a.heap')
    const store = Store.open(path, { memory, segmentBytes: 4000, retain: { log: '1 hour' } })
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', s: 'string' } })
      for (let id = 0; id < 300; id++) tx.insert('t', { id, s: `this is the text of row ${id}` })
    })
    for (let save = 0; save < 4; save++) {
      for (let id = 0; id < 20; id++)
        store.write((tx) => tx.update('t', id, { s: `changed ${save} ${id} to something` }))
      if (save === 1) await store.compact()
      else await store.checkpoint()
    }
    for (let id = 0; id < 20; id++) store.write((tx) => tx.update('t', id, { s: `changed at last ${id} to something` }))
    await store.close()
    const whole = await verify(path, { memory })
    expect([whole.version, whole.states, whole.keptFiles.length]).toEqual([store.version, 3, 1])
    expect(whole.segments.length).toBeGreaterThan(3)

    const heaps = [path, ...whole.keptFiles.map((each) => each.path)]
    const random = seeded(3)
    const isFound = async (file: string, at: number): Promise<boolean> => {
      const bytes = readFileSync(file)
      const flip = Buffer.from(bytes)
      flip[at]! ^= 1 << Math.floor(random() * 8)
      writeFileSync(file, flip)
      const found = await verify(path, { memory }).then(
        () => false,
        (error: SnapheapError) => ['CORRUPT', 'VERSION'].includes(error.code),
      )
      writeFileSync(file, bytes)
      return found
    }
    for (const file of heaps) {
      const { length } = readFileSync(file)
      const places = [...Array(36).keys()]
      for (const slot of ROOT_SLOT_OFFSETS) for (let at = 0; at < ROOT_SLOT.sizeBytes; at += 50) places.push(slot + at)
      for (let at = BLOCK_BYTES; at < length; at += 15013) places.push(at)
      for (const at of places) expect([file, at, await isFound(file, at)]).toEqual([file, at, true])
    }
    // the last record of all is not known to be whole by anything that follows it
    const segments = segmentsOf(path)
    for (const [i, segment] of segments.entries()) {
      const { length } = readFileSync(segment)
      const end = i === segments.length - 1 ? lastRecordOf(segment) : length
      for (let at = 0; at < end; at += 241)
        expect([segment, at, await isFound(segment, at)]).toEqual([segment, at, true])
    }
  })
})

/** Where the last record of a segment begins. */
function lastRecordOf(segment: string): number {
  const bytes = readFileSync(segment)
  let last = 48
  for (let at = 48; at + 4 <= bytes.length && bytes.readUInt32LE(at) > 0; at += bytes.readUInt32LE(at)) last = at
  return last
}

describe('verify agrees with open', () => {
  const outcome = async (work: () => unknown): Promise<string> => {
    try {
      return String(await work())
    } catch (error) {
      return (error as SnapheapError).code
    }
  }

  test('on the version, and on each way in which file and log do not belong together', async () => {
    await withFolder(async (own) => {
      const path = join(own, 'whole', 'a.heap')
      const foreign = join(own, 'foreign', 'a.heap')
      for (const each of [path, foreign]) {
        nodeFiles.makeFolder(dirname(each))
        const store = Store.open(each, { memory, segmentBytes: 500 })
        store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
        for (let id = 0; id < 30; id++) {
          store.write((tx) => tx.insert('t', { id }))
          if (id % 10 === 0) await store.checkpoint()
        }
        await store.close()
      }
      const damages: Record<string, (at: string) => void> = {
        nothing: () => undefined,
        'no log': (at) => rmSync(`${at}.log`, { recursive: true }),
        'no file': (at) => rmSync(at),
        neither: (at) => {
          rmSync(at)
          rmSync(`${at}.log`, { recursive: true })
        },
        'the log of another database': (at) => {
          rmSync(`${at}.log`, { recursive: true })
          cpSync(`${foreign}.log`, `${at}.log`, { recursive: true })
        },
        'the file of another database': (at) => copyFileSync(foreign, at),
        'no first segment': (at) => rmSync(segmentsOf(at)[0]!),
        'no last segment': (at) => rmSync(segmentsOf(at).at(-1)!),
        'no segment but the last': (at) => {
          for (const each of segmentsOf(at).slice(0, -1)) rmSync(each)
        },
        'no segment in the middle': (at) => rmSync(segmentsOf(at).at(-2)!),
        'a torn segment': (at) => writeFileSync(join(`${at}.log`, '0000000000000099.log'), 'SNAPLOG'),
      }
      for (const [what, damage] of Object.entries(damages)) {
        const at = join(own, 'copy', 'a.heap')
        rmSync(dirname(at), { recursive: true, force: true })
        cpSync(dirname(path), dirname(at), { recursive: true })
        damage(at)
        const verified = await outcome(async () => (await verify(at, { memory })).version)
        const opened = await outcome(async () => {
          const store = Store.open(at, { memory, create: false })
          await store.close()
          return store.version
        })
        expect([what, verified]).toEqual([what, opened])
      }
    })
  })

  test('on a database that has only a log, while it is open and after', async () => {
    await withFolder(async (own) => {
      const path = join(own, 'a.heap')
      expect((await rejectionOf(verify(path, { memory }))).code).toBe('NOT_FOUND')
      const store = Store.open(path, { memory })
      store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
      expect(await verify(path, { memory })).toMatchObject({ version: 2, savedVersion: 0, states: 0, blocks: 0 })
      await store.close()
      const verified = await verify(path, { memory })
      expect(verified).toMatchObject({ version: 2, blocks: 0, segments: [{ version: 2 }] })
    })
  })

  test('beside a writer that commits, makes checkpoints, rewrites its file and removes log', async () => {
    await withFolder(async (own) => {
      const path = join(own, 'a.heap')
      const store = Store.open(path, { memory, segmentBytes: 2000 })
      store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', s: 'string' } }))
      let isOver = false
      const writing = (async () => {
        for (let id = 0; !isOver; id++) {
          store.write((tx) => tx.upsert('t', { id: id % 50, s: 'x'.repeat(id % 300) }), { sync: false })
          if (id % 40 === 0) await store.checkpoint()
          if (id % 200 === 0) await store.compact()
          await new Promise(setImmediate)
        }
      })()
      for (let round = 0; round < 30; round++) {
        const before = store.version
        const { version } = await verify(path, { memory })
        expect(version).toBeGreaterThan(before - 60)
        expect(version).toBeLessThanOrEqual(store.version)
      }
      isOver = true
      await writing
      expect(rowsOf(store.table('t')).length).toBeGreaterThan(0)
      await store.close()
    })
  })
})
