import fc from 'fast-check'
import { describe, test } from 'vitest'
import type { TableDefinition } from '../../src/table/definition'
import type { IndexDefinition } from '../../src/table/index-definition'
import { withStore } from '../support/store'
import { anyBatch, runBatches, SHAPES } from './support/commands'

/** A failure is made smaller for so long; then the smallest one so far is told, with its seed. */
const LONGEST_MS = 30_000

describe('random statements do to tables what they do to plain data, seen live, inside transactions and in snapshots', () => {
  test.each(
    SHAPES.map(
      (shape) =>
        [
          `${shape.key} of ${Object.values(shape.columns).map((c) => (typeof c === 'string' ? c : c.type))}`,
          shape,
        ] as const,
    ),
  )('one shape: %s', async (_name, shape) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { minLength: 1, maxLength: 5, size: 'max' }), (batches) =>
        withStore((store) => runBatches(store, [shape], batches)),
      ),
      { numRuns: 6, interruptAfterTimeLimit: LONGEST_MS },
    )
  })

  test('all shapes together, with indexes over several columns, in order, and of some rows', async () => {
    const shapes = SHAPES.map((shape) => ({ ...shape, indexes: indexesOf(shape) }))
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { minLength: 4, maxLength: 12, size: 'max' }), (batches) =>
        withStore((store) => runBatches(store, shapes, batches)),
      ),
      { numRuns: 20, interruptAfterTimeLimit: LONGEST_MS },
    )
  })

  test('all shapes together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { minLength: 4, maxLength: 12, size: 'max' }), (batches) =>
        withStore((store) => runBatches(store, SHAPES, batches)),
      ),
      { numRuns: 20, interruptAfterTimeLimit: LONGEST_MS },
    )
  })
})

/** The statements do not see these, but what proves the store afterwards does. */
function indexesOf({ columns }: TableDefinition): IndexDefinition[] {
  const names = Object.keys(columns)
  const isArray = (name: string): boolean => JSON.stringify(columns[name]).includes('[]')
  const ordered = names.filter((name) => !isArray(name))
  const last = { [names[names.length - 1]]: { isNull: false } }
  return [
    { columns: names },
    { name: 'present', columns: names.slice(0, 2), where: last },
    ...(ordered.length === 0
      ? []
      : [
          { name: 'sorted', columns: ordered, kind: 'ordered' as const },
          { name: 'reversed', columns: ordered.toReversed(), kind: 'ordered' as const, where: last },
        ]),
  ]
}
