import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { BLOCK_WORDS } from '../../src/heap/layout'
import { realWorld } from '../../src/heap/world'
import { MEMORIES } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore, temporaryPath } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { expectSame } from '../table/support/compare'
import { StoreOverFiles } from './support/store-over-files'

describe.each(MEMORIES.slice(0, 2))('following on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('a follower shows every commit, over checkpoints and rewrites, and its snapshots stay as they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            commands: fc.array(anyCommand, { minLength: 1, maxLength: 10 }),
            save: fc.boolean(),
            pin: fc.boolean(),
          }),
          { minLength: 2, maxLength: 12 },
        ),
        async (steps) => {
          const path = temporaryPath()
          const writer = Store.open(path, { memory, durability: 'interval' })
          const runner = new CommandRunner(SHAPES)
          writer.write(() => undefined)
          await writer.sync()
          const follower = Store.open(path, { memory, follow: true })
          const pinned: { snapshot: ReturnType<Store['snapshot']>; model: CommandRunner['model'] }[] = []
          try {
            for (const { commands, save, pin } of steps) {
              writer.write((tx) => {
                for (const command of commands) runner.run(tx, command)
              })
              if (save) await writer.checkpoint()
              await writer.sync()
              await follower.following!.waitFor(writer.version)
              expect(follower.version).toBe(writer.version)
              expectSame(follower, runner.model)
              if (pin) pinned.push({ snapshot: follower.snapshot(), model: runner.copy() })
            }
            for (const { snapshot, model } of pinned) {
              expectSame(snapshot, model)
              snapshot.close()
            }
            expect(follower.check().problems).toEqual([])
          } finally {
            await follower.close()
            await writer.close()
          }
        },
      ),
      { numRuns: 20, interruptAfterTimeLimit: 30_000 },
    )
  })

  test('blocks that only moved since the state that a rewritten file holds are shown when the follower goes over to it', async () => {
    const path = temporaryPath()
    const writer = fileStore(path, { memory })
    const rows = 8 * BLOCK_WORDS - 10
    writer.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'number' } })
      for (let id = 0; id < rows; id++) tx.insert('t', { id, n: id + 0.5 })
    })
    await writer.checkpoint()
    let aheadMs = 0
    const world = { ...realWorld, elapsedMs: () => performance.now() + aheadMs }
    const follower = StoreOverFiles.over(path, { memory, follow: true, world })
    const compacted = writer.compact()
    await Promise.resolve() // what is written is the version of now
    writer.write((tx) => {
      for (let id = rows; id < rows + 100; id++) tx.insert('t', { id, n: id + 0.5 })
    })
    follower.following!.look()
    expect(follower.version).toBe(writer.version)
    await compacted
    aheadMs = 10_000 // the file is looked at
    follower.following!.look()
    expect([follower.version, follower.stats().fileBytes]).toEqual([writer.version, writer.stats().fileBytes])
    for (let id = 0; id < rows + 100; id += 97) expect(follower.table('t').get(id)).toEqual({ id, n: id + 0.5 })
    await closeChecked(follower)
  })

  test('a follower that fell behind the pruned log takes the newer file', async () => {
    const path = temporaryPath()
    const writer = fileStore(path, { memory })
    writer.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'integer' } }))
    const follower = fileStore(path, { memory, follow: true })
    const { following } = follower
    const old = follower.snapshot()
    const look = following!.look
    following!.look = () => undefined
    for (let i = 0; i < 30; i++) {
      writer.write((tx) => tx.upsert('t', { id: i % 3, v: i }))
      if (i % 5 === 0) await writer.checkpoint()
    }
    following!.look = look
    await following!.waitFor(writer.version)
    expect(follower.table('t').get(2)).toEqual({ id: 2, v: 29 })
    expect(old.table('t').rowCount).toBe(0)
    old.close()
    expect(errorOf(() => follower.write(() => undefined)).code).toBe('READ_ONLY')
  })

  test('a follower of a writer that keeps no log shows its checkpoints', async () => {
    const path = temporaryPath()
    const writer = fileStore(path, { memory, durability: 'none' })
    writer.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    await writer.checkpoint()
    const follower = fileStore(path, { memory, follow: true })
    for (let id = 1; id <= 3; id++) {
      writer.write((tx) => tx.insert('t', { id }))
      await writer.checkpoint()
      await follower.following!.waitFor(writer.version)
      expect(follower.table('t').rowCount).toBe(id)
    }
  })

  test('a commit of many parts is shown whole, or not yet', async () => {
    const path = temporaryPath()
    const rowCount = 50_000
    const writer = StoreOverFiles.over(path, { memory, durability: 'interval', partBytes: 1 << 16 })
    writer.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'number' } }))
    await writer.sync()
    const follower = fileStore(path, { memory, follow: true })
    const seen = new Set<number>()
    follower.following!.on('change', () => seen.add(follower.table('t').rowCount))
    await writer.bulkWrite(async (tx) => {
      const rows = tx.writer('t')
      for (let id = 0; id < rowCount; id++) {
        rows.insert({ id, v: id * 1.5 })
        if (id % 10_000 === 0) await new Promise(setImmediate)
      }
    })
    await follower.following!.waitFor(writer.version)
    expect([...seen]).toEqual([rowCount])
    expect(
      follower
        .table('t')
        .column('v')
        .number(rowCount - 1),
    ).toBe((rowCount - 1) * 1.5)
  })
})
