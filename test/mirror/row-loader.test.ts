import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { SnapheapError } from '../../src/errors'
import type { SourceTable } from '../../src/mirror/catalogue'
import { CopyTextParser } from '../../src/mirror/copy'
import { HEADER_BYTES } from '../../src/mirror/copy-channel'
import { RowLoader } from '../../src/mirror/row-loader'
import { memoryWithoutKernels, nativeMemory } from '../heap/support/memories'
import { rowsOf, withStore } from '../support/store'

const TYPES = { id: 'int4', large: 'int8', float: 'float8', word: 'text', day: 'date' }
const SOURCE = {
  columns: Object.entries(TYPES).map(([name, type]) => ({
    name,
    type: { kind: 'base', schema: 'pg_catalog', name: type },
  })),
} as unknown as SourceTable

const nullable = (field: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 6, arbitrary: field }, { weight: 1, arbitrary: fc.constant('\\N') })
const large = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer().map(String),
  fc.constantFrom('1000000000000000', '-9007199254740993', '9007199254740991'),
)
const float = fc.oneof(
  fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  fc.tuple(fc.integer(), fc.nat(999_999)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom(
    '0',
    '-0',
    '0.0',
    '5.',
    '.5',
    '123456789012345',
    '1234567890.12345',
    '1234567890.123456',
    'NaN',
    '-Infinity',
    '1e+300',
    '0.000000000000001',
  ),
)
/** In COPY's text format: escapes, and bytes that only look like some. */
const word = fc
  .array(
    fc.constantFrom('\\\\', '\\n', '\\t', '\\b', '\\q', '\\\\N', 'a', 'ü', '🐘', '\u0001', 'longer than a word', ' '),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))
const line = fc
  .tuple(nullable(large), nullable(float), nullable(word), nullable(fc.constantFrom('2024-02-29', 'infinity')))
  .map((fields) => fields.join('\t'))

/** Messages of the copy protocol, each row in one, or, where `cuts` says so, in two. */
function messagesOf(lines: readonly string[], cuts: readonly number[]): Buffer {
  const messages: Buffer[] = []
  for (const [i, text] of lines.entries()) {
    const payload = Buffer.from(`${i}\t${text}\n`)
    const cut = (cuts[i % (cuts.length + 1)] ?? 0) % payload.length
    for (const part of cut === 0 ? [payload] : [payload.subarray(0, cut), payload.subarray(cut)]) {
      const header = Buffer.from([0x64, 0, 0, 0, 0])
      header.writeUInt32BE(part.length + 4, 1)
      messages.push(header, part)
    }
  }
  return Buffer.concat(messages)
}

/** Loads messages as a copy does: natively as far as that goes, the next one by the parser. */
function load(store: Store, messages: Buffer, isNative: boolean): { byMessage: number; total: number } {
  let byMessage = 0
  const parser = store.write((tx) => {
    tx.createTable('t', {
      key: 'id',
      columns: {
        id: 'integer',
        large: { type: 'bigint', nullable: true },
        float: { type: 'number', nullable: true },
        word: { type: 'string', nullable: true },
        day: { type: 'day', nullable: true },
      },
    })
    const loader = new RowLoader(SOURCE, isNative ? store.kernels : undefined)
    loader.writer = tx.writer('t')
    const rows = new CopyTextParser(SOURCE.columns.length, (bytes, starts, ends) => loader.load(bytes, starts, ends))
    for (let at = 0; at < messages.length; ) {
      if (!rows.isInsideRow) {
        const taken = loader.loadMessages(messages, at)
        at = taken.position
        byMessage += taken.rows
      }
      if (at === messages.length) break
      const end = at + 1 + messages.readUInt32BE(at + 1)
      rows.push(messages, at + HEADER_BYTES, end)
      at = end
    }
    rows.finish()
    loader.flush()
    return rows
  })
  return { byMessage, total: byMessage + parser.rowCount }
}

function exactRows(store: Store): string[] {
  return rowsOf(store.table('t')).map((row) =>
    Object.values(row as object)
      .map((value) => `${typeof value} ${Object.is(value, -0) ? '-0' : value}`)
      .join('|'),
  )
}

test('rows of messages split natively are those that the parser and the decoders make', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 80 }), fc.array(fc.nat(30), { maxLength: 5 }), (lines, cuts) =>
      withStore((store) =>
        withStore(
          (expected) => {
            const messages = messagesOf(lines, cuts)
            const loaded = load(store, Buffer.from(messages), true)
            const { byMessage, total } = load(expected, Buffer.from(messages), false)
            expect([byMessage, total, loaded.total]).toEqual([0, lines.length, lines.length])
            if (cuts.length === 0) expect(loaded.byMessage).toBe(lines.length)
            expect(exactRows(store)).toEqual(exactRows(expected))
          },
          { memory: memoryWithoutKernels() },
        ),
      ),
    ),
    { numRuns: 30 },
  )
})

test('more rows than fit a batch, in one piece of received bytes', async () => {
  await withStore((store) => {
    const lines = Array.from({ length: 5000 }, (_, i) => `${i * 3}\t${i}.5\ttext number ${i % 100}\t\\N`)
    expect(load(store, messagesOf(lines, []), true)).toEqual({ byMessage: 5000, total: 5000 })
    expect(store.table('t').get(4999)).toEqual({
      id: 4999,
      large: 14997n,
      float: 4999.5,
      word: 'text number 99',
      day: null,
    })
  })
})

describe('what is no row goes its usual way', () => {
  const kernels = nativeMemory().kernels!
  const good = messagesOf(['1\t2.5\ta\t\\N'], [])
  const framed = (payload: string, type = 'd', more = 4) => {
    const bytes = Buffer.concat([Buffer.from(`${type}0000`), Buffer.from(payload)])
    bytes.writeUInt32BE(payload.length + more, 1)
    return bytes
  }
  test.each([
    ['another message', framed('0\t1\t2\t3\t4\n', 'c')],
    ['too few fields', framed('0\t1\t2\t3\n')],
    ['too many fields', framed('0\t1\t2\t3\t4\t5\n')],
    ['two rows', framed('0\t1\t2\t3\t4\n0\t1\t2\t3\t4\n')],
    ['no newline', framed('0\t1\t2\t3\t4')],
    ['a newline that is escaped', framed('0\t1\t2\t3\t4\\\n')],
    ['an empty message', framed('')],
    ['a length that is too small', framed('0\t1\t2\t3\t4\n', 'd', -7)],
    ['a length beyond the bytes', framed('0\t1\t2\t3\t4\n', 'd', 5)],
    ['part of a header', Buffer.from('d\0\0')],
    ['nothing', Buffer.alloc(0)],
  ])('%s', (_what, bad) => {
    const bytes = Buffer.concat([good, good, bad])
    const totals = new Int32Array(2)
    const [starts, ends] = [new Int32Array(50), new Int32Array(50)]
    kernels.splitLines(bytes, 0, 5, 10, 3, starts, ends, totals)
    expect([...totals]).toEqual([good.length * 2, 2])
    expect(bytes.subarray(good.length * 2).equals(bad)).toBe(true)
    expect(starts[3]).toBe(HEADER_BYTES)
    kernels.splitLines(bytes, 0, 5, 10, 9, starts, ends, totals)
    expect([...totals]).toEqual([good.length, 1])
  })
})

test('arrays that do not fit each other are refused', () => {
  const kernels = nativeMemory().kernels!
  const bytes = Buffer.from('d\0\0\0\x061\n')
  const four = () => new Int32Array(4)
  const shared = four()
  for (const run of [
    () => kernels.splitLines(bytes, 0, 2, 3, 0, four(), four(), four()),
    () => kernels.splitLines(bytes, 0, 1, 4, 0, shared, shared, four()),
    () => kernels.splitLines(bytes, 8, 1, 4, 0, four(), four(), four()),
    () => kernels.parseNumbers(bytes, four(), four(), 2, 3, 0, four(), 0),
    () => kernels.parseNumbers(bytes, four(), four(), 0, 2, 0, four(), 1),
    () => kernels.parseNumbers(bytes, shared, four(), 0, 2, 0, shared, 0),
  ])
    expect(run).toThrow(SnapheapError)
})
