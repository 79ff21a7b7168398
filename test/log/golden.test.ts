import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import { FORMAT_VERSION } from '../../src/heap/file-format'
import { LOG_FORMAT_VERSION } from '../../src/log/format'
import { MEMORIES, temporaryFolder } from '../heap/support/memories'
import { closeChecked, rowsOf } from '../support/store'
import { exact } from '../value/support/values'
import { GOLDEN_ROWS, GOLDEN_VERSION } from './golden/contents'
import { segmentsOf } from './support/damage'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'golden')
const names = readdirSync(golden).filter((name) => name.endsWith('.json.gz'))

test('there is a golden file of the format that this build writes', () => {
  expect(names).toContain(`file-${FORMAT_VERSION}-log-${LOG_FORMAT_VERSION}.json.gz`)
})

describe.each(names)('%s', (name) => {
  function unpacked(): string {
    const folder = temporaryFolder()
    const files: Record<string, string> = JSON.parse(gunzipSync(readFileSync(join(golden, name))).toString())
    for (const [file, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), bytes, 'base64')
    }
    return join(folder, 'golden.heap')
  }

  function expectGolden(store: Store): void {
    expect(store.version).toBe(GOLDEN_VERSION)
    expect(store.tableNames.sort()).toEqual(['golden', 'void'])
    expect(shown(rowsOf(store.table('golden')))).toEqual(shown(GOLDEN_ROWS))
    for (const { id, text } of GOLDEN_ROWS) expect(store.table('golden').find({ text })).toEqual([id])
  }

  const zerosBehind = [0, 1000]
  const given = MEMORIES.slice(0, 2).flatMap(([of, make]) => zerosBehind.map((zeros) => [of, zeros, make] as const))
  test.each(given)('opens for reading and for writing, and shows its rows (%s, %i zeros)', async (_, zeros, make) => {
    const path = unpacked()
    for (const segment of segmentsOf(path)) appendFileSync(segment, new Uint8Array(zeros))
    const memory = make()
    await verify(path, { memory })
    const reader = Store.open(path, { memory, readOnly: true })
    expectGolden(reader)
    await closeChecked(reader)
    const store = Store.open(path, { memory })
    expect(store.recovery).toEqual({ commits: GOLDEN_VERSION - 2, damaged: undefined })
    expectGolden(store)
    store.write((tx) => tx.delete('golden', 0))
    await store.save()
    await closeChecked(store)
    const again = Store.open(path, { memory })
    expect(shown(rowsOf(again.table('golden')))).toEqual(shown(GOLDEN_ROWS.slice(1)))
    await closeChecked(again)
  })
})

/** Every value with its type, to the last digit. */
function shown(rows: readonly Record<string, unknown>[]): string[][] {
  return rows.map((row) => Object.entries(row).map(([name, value]) => `${name} ${exact(value)}`))
}
