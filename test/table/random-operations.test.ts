import fc from 'fast-check'
import { describe, test } from 'vitest'
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

  test('all shapes together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { minLength: 4, maxLength: 12, size: 'max' }), (batches) =>
        withStore((store) => runBatches(store, SHAPES, batches)),
      ),
      { numRuns: 20, interruptAfterTimeLimit: LONGEST_MS },
    )
  })
})
