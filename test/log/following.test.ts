import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { MEMORIES } from '../heap/support/memories'
import { errorOf, fileStore, temporaryPath } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { expectSame } from '../table/support/compare'

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
              if (save) await writer.save()
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
      if (i % 5 === 0) await writer.save()
    }
    following!.look = look
    await following!.waitFor(writer.version)
    expect(follower.table('t').get(2)).toEqual({ id: 2, v: 29 })
    expect(old.table('t').rowCount).toBe(0)
    old.close()
    expect(errorOf(() => follower.write(() => undefined)).code).toBe('READ_ONLY')
  })
})
