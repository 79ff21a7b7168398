import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { runProgram } from './support/program'

/**
 * What is counted of each operation, and how much more than it was is still no change: the engine's own, and chance of
 * hashes.
 */
interface Costs {
  reads: Record<string, { nativeCalls: number; heapBytes: number }>
  writes: Record<string, number>
  space: Record<string, number>
}

/**
 * Bytes of JavaScript's heap for one read, on Node 20: an object takes 40, a number that is handed on as any value 16.
 * Node 24 and 26 make up to an eighth more.
 */
const READ_HEAP_BYTES = {
  'a number by row': 0,
  'a number by row, of a snapshot': 0,
  'any value by row: a number': 0,
  'any value by row: one of a few strings': 0,
  'a row by key': 0,
  'the 20 rows with a value': 296,
  'a property by key': 16,
  'a property of an object referred to': 80,
  '20 objects by a value': 1300,
  'one property of 20 rows': 950,
  'whether rows exist': 780,
  'how many rows there are': 1000,
}

const WRITE_COUNTS = {
  'log bytes of a row updated in five indexed columns': 1050,
  'blocks copied for it under a snapshot': 27.1,
  'log bytes of a row inserted with 999 others': 492,
}

/** Of an engine of the age of Node 24, and of earlier ones: the later make up to a half more. */
const isRecentEngine = Number(process.versions.node.split('.')[0]) >= 24
const WRITE_HEAP_BYTES = { "bytes of JavaScript's heap for it": isRecentEngine ? 3590 : 2350 }

const SPACE_COUNTS = {
  "kilobytes of JavaScript's heap for a million rows": 2000, // whatever their number: what the engine keeps of code
  'bytes of an indexed number': 16.2,
  'bytes of it with what is free': 16.2,
}

let costs: Costs

beforeAll(async () => {
  const program = fileURLToPath(new URL('./support/costs-program.ts', import.meta.url))
  // so that nothing is collected meanwhile, and code is optimized when it is due, also on a busy machine
  const space = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']
  const flags = [...space, '--no-concurrent-recompilation']
  const { exitCode, stdout, stderr } = await runProgram(program, {}, flags)
  expect(exitCode, stderr).toBe(0)
  costs = JSON.parse(stdout) as Costs
})

function expectNoMore(what: string, was: number, is: number | undefined, tolerance: number): void {
  expect(is, `${what} is counted`).toBeTypeOf('number')
  expect(is, `${what}: was ${was}, is ${is}`).toBeLessThanOrEqual(tolerance)
}

describe('a read', () => {
  test.each(Object.keys(READ_HEAP_BYTES))('calls nothing native: %s', (what) => {
    expect(costs.reads[what].nativeCalls).toBe(0)
  })

  test.each(Object.entries(READ_HEAP_BYTES))('makes no more objects than it did: %s', (what, was) => {
    expectNoMore(`Bytes for ${what}`, was, costs.reads[what]?.heapBytes, was * 1.2 + 8)
  })
})

describe('a write', () => {
  test.each(Object.entries(WRITE_COUNTS))('costs no more than it did: %s', (what, was) => {
    expectNoMore(what, was, costs.writes[what], was * 1.03)
  })

  test.each(Object.entries(WRITE_HEAP_BYTES))('makes no more objects than it did: %s', (what, was) => {
    expectNoMore(what, was, costs.writes[what], was * 1.2)
  })
})

describe('space', () => {
  test.each(Object.entries(SPACE_COUNTS))('is no more than it was: %s', (what, was) => {
    expectNoMore(what, was, costs.space[what], was * 1.03)
  })
})
