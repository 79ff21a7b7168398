import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { Durability } from '../../src/log/log-options'
import { MEMORIES } from '../heap/support/memories'
import { closeChecked, temporaryPath } from '../support/store'
import { anyCommand, CommandRunner, SHAPES } from '../table/support/commands'
import { expectSame } from '../table/support/compare'

describe.each(MEMORIES.slice(0, 2))('the log on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test.each<Durability>(['commit', 'interval'])(
    'with durability %s a database reopened has every commit, saved or not',
    async (durability) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              transactions: fc.array(fc.array(anyCommand, { minLength: 1, maxLength: 8 }), {
                minLength: 1,
                maxLength: 8,
              }),
              saveAfter: fc.option(fc.nat({ max: 8 }), { nil: -1 }),
              isAborted: fc.boolean(),
            }),
            { minLength: 2, maxLength: 4 },
          ),
          async (rounds) => {
            const path = temporaryPath()
            const runner = new CommandRunner(SHAPES)
            let version = 0
            for (const { transactions, saveAfter, isAborted } of rounds) {
              const store = Store.open(path, { memory, durability })
              try {
                if (version > 0) expect(store.version).toBe(version)
                expectSame(store, runner.model)
                for (const [i, commands] of transactions.entries()) {
                  store.write((tx) => {
                    for (const command of commands) runner.run(tx, command)
                  })
                  if (i === saveAfter) await store.checkpoint()
                }
                version = store.version
                if (isAborted) {
                  const kept = runner.copy()
                  expect(() =>
                    store.write((tx) => {
                      for (const command of transactions[0]!) runner.run(tx, command)
                      throw new Error('given up')
                    }),
                  ).toThrow('given up')
                  runner.model = kept
                }
                await closeChecked(store)
              } finally {
                await store.close()
              }
            }
          },
        ),
        { numRuns: 15, interruptAfterTimeLimit: 30_000 },
      )
    },
  )
})
