import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import { FORMAT_VERSION, HEADER } from '../../src/heap/file-format'
import { LOG_FORMAT_VERSION, SEGMENT } from '../../src/log/format'
import { MEMORIES, temporaryFolder } from '../heap/support/memories'
import { closeChecked, fileStore, rowsOf } from '../support/store'
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
    for (const { id, text } of GOLDEN_ROWS) expect(store.table('golden').findRows({ text })).toEqual([id])
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
    await store.checkpoint()
    await closeChecked(store)
    // whatever its format was, it has that of this build by now
    expect(readFileSync(path).readUInt32LE(HEADER.formatVersion)).toBe(FORMAT_VERSION)
    expect(readFileSync(segmentsOf(path).at(-1)!).readUInt32LE(SEGMENT.formatVersion)).toBe(LOG_FORMAT_VERSION)
    await verify(path, { memory })
    const again = Store.open(path, { memory })
    expect(shown(rowsOf(again.table('golden')))).toEqual(shown(GOLDEN_ROWS.slice(1)))
    await closeChecked(again)
  })
})

test('a build that knows only format 1 refuses what an upgrade has changed, for it finds the format where it looks for it', async () => {
  const path = join(temporaryFolder(), 'new.heap')
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  await closeChecked(store)
  // what format 1 checks, in its order: magic, checksum of the bytes before it, version
  const memory = MEMORIES[0]![1]()
  for (const [file, checksumAt] of [
    [path, 32],
    [segmentsOf(path)[0]!, 44],
  ] as const) {
    const bytes = readFileSync(file)
    expect(['SNAPHEAP', 'SNAPLOG\n']).toContain(bytes.toString('latin1', 0, 8))
    expect(bytes.readUInt32LE(checksumAt)).toBe(memory.crc32c(bytes.subarray(0, checksumAt)))
    expect(bytes.readUInt32LE(8)).toBe(2)
  }
})

/** Every value with its type, to the last digit. */
function shown(rows: readonly Record<string, unknown>[]): string[][] {
  return rows.map((row) => Object.entries(row).map(([name, value]) => `${name} ${exact(value)}`))
}
