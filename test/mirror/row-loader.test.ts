import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import { SnapheapError } from '../../src/errors'
import type { SourceTable } from '../../src/mirror/catalogue'
import { PIECE_MESSAGES } from '../../src/mirror/chunk-gatherer'
import { CopyTextParser } from '../../src/mirror/copy'
import { HEADER_BYTES } from '../../src/mirror/copy-protocol'
import { MOST_PREPARED } from '../../src/mirror/piece-queue'
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

const DEFINITION = {
  key: 'id',
  columns: {
    id: 'integer',
    large: { type: 'bigint', nullable: true },
    float: { type: 'number', nullable: true },
    word: { type: 'string', nullable: true },
    day: { type: 'day', nullable: true },
  },
} as const

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
function messagesOf(lines: readonly string[], cuts: readonly number[], firstKey = 0): Buffer {
  const messages: Buffer[] = []
  for (const [i, text] of lines.entries()) {
    const payload = Buffer.from(`${firstKey + i}\t${text}\n`)
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
async function load(store: Store, messages: Buffer, isPrepared = false): Promise<{ byMessage: number; total: number }> {
  let byMessage = 0
  const loader = new RowLoader(SOURCE, store.kernels, store.hashSeed)
  if (isPrepared) await loader.prepare(messages)
  const parser = store.write((tx) => {
    tx.createTable('t', DEFINITION)
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

test.each([
  ['split natively', false],
  ['prepared in another thread', true],
])('rows of messages %s are those that the parser and the decoders make', async (_how, isPrepared) => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 80 }), fc.array(fc.nat(30), { maxLength: 5 }), (lines, cuts) =>
      withStore((store) =>
        withStore(
          async (expected) => {
            const messages = messagesOf(lines, cuts)
            const loaded = await load(store, Buffer.from(messages), isPrepared)
            const { byMessage, total } = await load(expected, Buffer.from(messages))
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

test('pieces are loaded as they were prepared, also while the next ones are, and more rows than have room', async () => {
  await withStore(async (store) => {
    const loader = new RowLoader(SOURCE, store.kernels, store.hashSeed)
    store.write((tx) => void tx.createTable('t', DEFINITION))
    const sizes = [500, 700, PIECE_MESSAGES + 5000, 1, 0, 900]
    const firstOf = (piece: number) => sizes.slice(0, piece).reduce((sum, size) => sum + size, 0)
    const textOf = (key: number) => `text ${key % 700} of many`
    const pieces = sizes.map((size, piece) => {
      const first = firstOf(piece)
      const lines = Array.from({ length: size }, (_, i) => `${first + i}\t${i}.5\t${textOf(first + i)}\t\\N`)
      return messagesOf(lines, [], first)
    })
    const ready = pieces.slice(0, MOST_PREPARED).map((piece) => loader.prepare(piece))
    for (const [i, piece] of pieces.entries()) {
      await ready[i]
      store.write((tx) => {
        loader.writer = tx.writer('t')
        expect(loader.loadMessages(piece, 0)).toEqual({ position: piece.length, rows: sizes[i] })
        loader.flush()
      })
      const next = pieces[i + MOST_PREPARED]
      if (next !== undefined) ready.push(loader.prepare(next))
    }
    const table = store.table('t')
    expect(table.rowCount).toBe(firstOf(sizes.length))
    for (let key = 0; key < table.rowCount; key++)
      if (table.get(key)?.word !== textOf(key) || table.get(key)?.large !== BigInt(key))
        expect(table.get(key)).toBe(key)
  })
})

test('more rows than fit a batch, in one piece of received bytes', async () => {
  await withStore(async (store) => {
    const lines = Array.from({ length: 5000 }, (_, i) => `${i * 3}\t${i}.5\ttext number ${i % 100}\t\\N`)
    expect(await load(store, messagesOf(lines, []))).toEqual({ byMessage: 5000, total: 5000 })
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
    kernels.splitLines(bytes, 0, 5, 10, starts, ends, 3, totals)
    expect([...totals]).toEqual([good.length * 2, 2])
    expect(bytes.subarray(good.length * 2).equals(bad)).toBe(true)
    expect(starts[3]).toBe(HEADER_BYTES)
    kernels.splitLines(bytes, 0, 5, 10, starts, ends, 9, totals)
    expect([...totals]).toEqual([good.length, 1])
  })
})

test('arrays that do not fit each other are refused', () => {
  const kernels = nativeMemory().kernels!
  const bytes = Buffer.from('d\0\0\0\x061\n')
  const four = () => new Int32Array(4)
  const shared = four()
  const text = Uint8Array.of(3)
  for (const run of [
    () => kernels.splitLines(bytes, 0, 2, 3, four(), four(), 0, four()),
    () => kernels.splitLines(bytes, 0, 1, 4, shared, shared, 0, four()),
    () => kernels.splitLines(bytes, 8, 1, 4, four(), four(), 0, four()),
    () => kernels.parseNumbers(bytes, four(), four(), 2, 3, 0, four(), 0),
    () => kernels.parseNumbers(bytes, four(), four(), 0, 2, 0, four(), 1),
    () => kernels.parseNumbers(bytes, shared, four(), 0, 2, 0, shared, 0),
    () => kernels.prepareLines(bytes, 9, 1, 1, four(), four(), text, 7, four(), four(), four()),
    () => kernels.prepareLines(bytes, 0, 2, 1, four(), four(), text, 7, four(), four(), four()),
    () => kernels.prepareLines(bytes, 0, 1, 2, four(), four(), text, 7, four(), four(), four()),
    () => kernels.prepareLines(bytes, 0, 1, 1, four(), four(), text, 7, new Int32Array(1), four(), four()),
    () => kernels.prepareLines(bytes, 0, 1, 1, four(), four(), text, 7, four(), four(), new Int32Array(2)),
    () => kernels.prepareLines(bytes, 0, 1, 1, four(), four(), text, 7, shared, shared, four()),
    () => kernels.prepareLines(bytes, 0, 1, 1, shared, four(), text, 7, four(), shared, four()),
  ])
    expect(run).toThrow(SnapheapError)
})
