import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { diff, history, restore } from '../../src/db/points'
import { Store } from '../../src/db/store'
import { MEMORIES } from '../heap/support/memories'
import { fileStore, rejectionOf, temporaryPath } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { expectSame } from '../table/support/compare'

describe.each(MEMORIES.slice(0, 2))('points in time on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('every version, moment and annotation within the retention is exactly what it was, over checkpoints, rewrites and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            commands: fc.array(anyCommand, { minLength: 1, maxLength: 6 }),
            after: fc.constantFrom('nothing', 'save', 'reopen', 'rewrite'),
          }),
          { minLength: 2, maxLength: 8 },
        ),
        async (steps) => {
          const path = temporaryPath()
          const options = { memory, retain: { log: '1 day' }, segmentBytes: 2000 }
          let store = Store.open(path, options)
          const runner = new CommandRunner(SHAPES)
          const known: { version: number; model: CommandRunner['model']; annotation: string }[] = []
          try {
            for (const [i, { commands, after }] of steps.entries()) {
              store.write((tx) => {
                tx.annotation = `step ${i}`
                for (const command of commands) runner.run(tx, command)
              })
              known.push({ version: store.version, model: runner.copy(), annotation: `step ${i}` })
              if (after === 'save') await store.checkpoint()
              if (after === 'rewrite') {
                await store.checkpoint()
                await store.compact()
              }
              if (after === 'reopen') {
                await store.close()
                store = Store.open(path, options)
              }
            }
            for (const { version, model, annotation } of known) {
              for (const point of [version, annotation]) {
                const past = store.asOf(point)
                try {
                  expect(past.version).toBe(version)
                  expectSame(past, model)
                  expect(past.check().problems).toEqual([])
                } finally {
                  await past.close()
                }
              }
            }
            const commits = [...history(path, { memory })].filter((each) => each.annotation !== '')
            expect(commits.map((each) => each.annotation)).toEqual(known.map((each) => each.annotation))
            const times = commits.map((each) => each.time.getTime())
            expect(times).toEqual([...times].sort((a, b) => a - b))
          } finally {
            await store.close()
          }
        },
      ),
      { numRuns: 5, interruptAfterTimeLimit: 40_000 },
    )
  })

  test('a copy of file and log, made under load, restores to one exact commit', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory, durability: 'interval', retain: { log: '1 hour' } })
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'integer', w: 'integer' } }))
    const copy = join(dirname(temporaryPath()), 'copy')
    for (let i = 1; i <= 400; i++) {
      store.write((tx) => {
        for (const id of [1, 2, 3]) tx.upsert('t', { id, v: i, w: -i })
      })
      if (i % 90 === 0) await store.checkpoint()
      if (i === 250) {
        cpSync(path, copy)
        cpSync(`${path}.log`, `${copy}.log`, { recursive: true })
      }
      if (i % 10 === 0) await new Promise(setImmediate)
    }
    const versions = [...history(copy, { memory })].map((each) => each.version)
    const at = versions.at(-1)!
    const into = `${copy}.restored`
    expect(await restore(copy, { to: at, into, memory })).toBe(at)
    const restored = fileStore(into, { memory, readOnly: true })
    const rows = [1, 2, 3].map((id) => restored.table('t').get(id)!)
    const [{ v }] = rows as [{ v: number }]
    expect(rows).toEqual([1, 2, 3].map((id) => ({ id, v, w: -v })))
    expect(v).toBe(at - 2)
    const differences = await diff(into, { path, at: at + 3 }, { memory })
    expect(differences).toEqual([
      { table: 't', rowsBefore: 3, rowsAfter: 3, added: 0, removed: 0, changed: 3, columns: [] },
    ])
  })

  test('a point that file and log do not reach says what there is', async () => {
    const path = temporaryPath()
    const store = fileStore(path, { memory })
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    const error = await rejectionOf(restore(path, { to: 99, into: `${path}.x`, memory }))
    expect([error.code, error.message]).toEqual(['NOT_FOUND', expect.stringContaining('versions 1 to 2')])
  })
})
