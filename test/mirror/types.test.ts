import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Heap } from '../../src/heap/heap'
import { plainMemory } from '../../src/heap/plain-memory'
import { readTables, type SourceTable } from '../../src/mirror/catalogue'
import { connect, queryRows } from '../../src/mirror/connection'
import { copyRows } from '../../src/mirror/copy'
import { FIELD_NULL, PgoutputDecoder } from '../../src/mirror/pgoutput'
import { ensurePublication } from '../../src/mirror/publication'
import { createSlot } from '../../src/mirror/slot'
import { ReplicationStream } from '../../src/mirror/stream'
import { mapType, type TypeMapping } from '../../src/mirror/types'
import { type ColumnType, decodeAs } from '../../src/table/column-type'
import { Decimal } from '../../src/value/decimal'
import { Decoder } from '../../src/value/decoder'
import { Interner } from '../../src/value/interner'
import { parseDay, parseTimeOfDay, Timestamp } from '../../src/value/timestamp'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { anyCharacters } from '../value/support/values'

const text = anyCharacters(20).map((value) => value.replaceAll('\0', '').toWellFormed())
const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
const near = (value: bigint) => fc.bigInt(value - 3n, value + 3n)
const micros = (from: string, to: string) => fc.bigInt(BigInt(Date.parse(from)) * 1000n, BigInt(Date.parse(to)) * 1000n)
/** SQL for a number of microseconds: servers before 15 take no number beyond 32 bits in an interval. */
function interval(microseconds: bigint): string {
  const [sign, size] = microseconds < 0n ? ['-', -microseconds] : ['', microseconds]
  const [days, rest] = [size / 86_400_000_000n, size % 86_400_000_000n]
  const fraction = String(rest % 1_000_000n).padStart(6, '0')
  return `interval '${sign}${days} days ${sign}${rest / 1_000_000n}.${fraction} seconds'`
}
// The years that both a Date and Postgres can hold.
const instant = fc.oneof(
  micros('-004713-12-01T00:00:00Z', '+275760-01-01T00:00:00Z').map(
    (value) => `timestamptz 'epoch' + ${interval(value)}`,
  ),
  micros('1960-01-01T00:00:00Z', '2040-01-01T00:00:00Z').map((value) => `timestamptz 'epoch' + ${interval(value)}`),
  fc.constantFrom(
    `'infinity'`,
    `'-infinity'`,
    `'0044-03-15 12:00 BC'`,
    `'0001-01-01'`,
    `'12024-01-01 00:00:00.000001'`,
    `'1969-12-31 23:59:59.999999'`,
    `'epoch'`,
  ),
)
const double = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((value) => Number(value.toFixed(3))),
)
const float = fc.oneof(
  double.map((value) => `'${Object.is(value, -0) ? '-0' : value}'`),
  fc.constantFrom(`'NaN'`, `'Infinity'`, `'-Infinity'`, `'-0'`, `'0'`, `'4.9e-324'`, `'1.7976931348623157e308'`),
)
const decimal = fc.oneof(
  fc.tuple(fc.bigInt(), fc.nat(30)).map(([coefficient, scale]) => new Decimal(coefficient, scale).toString()),
  fc.tuple(fc.integer(), fc.nat(6)).map(([coefficient, scale]) => new Decimal(BigInt(coefficient), scale).toString()),
  fc.tuple(near(2n ** 40n), fc.nat(130)).map(([coefficient, scale]) => new Decimal(coefficient, scale).toString()),
  fc
    .tuple(fc.bigInt(10n ** 14n, 10n ** 19n), fc.nat(20))
    .map(([coefficient, scale]) => new Decimal(coefficient, scale).toString()),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '0.000', '-0.10', '1e100'),
)
const byteString = fc.uint8Array({ maxLength: 40 }).map((value) => `'\\x${Buffer.from(value).toString('hex')}'`)
const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 }).map((value) => JSON.stringify(value))
const quoted = (value: string) => pg.escapeLiteral(value)
const arrayOf = (element: fc.Arbitrary<string>, type: string) =>
  fc
    .array(fc.option(element, { nil: 'NULL', freq: 5 }), { maxLength: 6 })
    .map((items) => `ARRAY[${items.join(', ')}]::${type}[]`)

/**
 * Columns: declaration, SQL expressions to fill them, and how the value read back must relate to what SQL says of it.
 */
interface Case {
  type: string
  columnType: ColumnType
  literal: fc.Arbitrary<string>
  /** What Postgres says of the value `v`, as text. */
  told: string
  /** The same from the value read back from the heap. */
  print: (value: unknown) => unknown
}

const asIs = 'v::text'
const plain = (value: unknown) => String(value)
const bits = (size: 4 | 8) => (value: unknown) => {
  const buffer = Buffer.alloc(size)
  if (size === 8) buffer.writeDoubleBE(value as number)
  else buffer.writeFloatBE(value as number)
  return buffer.toString('hex')
}
const MICROS = `CASE WHEN isfinite(v) THEN round(extract(epoch FROM v) * 1000000)::text ELSE v::text END`
const DAYS = `CASE WHEN isfinite(v) THEN (v - date '1970-01-01')::text ELSE v::text END`
const infinite = (value: unknown) => (typeof value === 'number' ? String(value).toLowerCase() : undefined)
const printMicros = (value: unknown) => {
  const date = value as Date
  const extra = value instanceof Timestamp ? value.microseconds : 0
  return infinite(value) ?? String(BigInt(date.getTime()) * 1000n + BigInt(extra))
}
/** Documents as `JSON.parse` would give them; numbers beyond a double's exactness come as decimals. */
const printJson = (value: unknown): unknown => {
  if (value instanceof Decimal) return value.toNumber()
  if (Array.isArray(value)) return value.map(printJson)
  if (typeof value !== 'object' || value === null) return value === 0 ? 0 : value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, printJson(member)]))
}
const ELEMENTS = `(SELECT json_agg(e::text)::text FROM unnest(v) e)`
const printElements = (print: (value: unknown) => unknown) => (value: unknown) => {
  const items = (value as unknown[]).flat(6).map((item) => (item === null ? null : print(item)))
  return items.length === 0 ? null : items
}

const cases: Case[] = [
  {
    type: 'smallint',
    columnType: 'integer',
    literal: fc.integer({ min: -32768, max: 32767 }).map(plain),
    told: asIs,
    print: plain,
  },
  {
    type: 'int',
    columnType: 'integer',
    literal: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(plain),
    told: asIs,
    print: plain,
  },
  {
    type: 'bigint',
    columnType: 'bigint',
    literal: fc.oneof(int64, near(2n ** 53n), near(-(2n ** 53n)), fc.bigInt(-9n, 9n)).map((v) => `'${v}'`),
    told: asIs,
    print: plain,
  },
  {
    type: 'real',
    columnType: 'number',
    literal: fc.oneof(
      fc.float({ noNaN: true }).map((v) => `'${Object.is(v, -0) ? '-0' : v}'`),
      fc.constantFrom(`'NaN'`, `'-Infinity'`),
    ),
    told: `encode(float4send(v), 'hex')`,
    print: bits(4),
  },
  {
    type: 'double precision',
    columnType: 'number',
    literal: float,
    told: `encode(float8send(v), 'hex')`,
    print: bits(8),
  },
  { type: 'numeric', columnType: 'decimal', literal: decimal.map((v) => `'${v}'`), told: asIs, print: plain },
  {
    type: 'numeric(20, 4)',
    columnType: 'decimal',
    literal: fc.integer().map((v) => `${v}.5`),
    told: asIs,
    print: plain,
  },
  { type: 'boolean', columnType: 'boolean', literal: fc.boolean().map(plain), told: asIs, print: plain },
  { type: 'text', columnType: 'string', literal: text.map(quoted), told: 'v', print: plain },
  { type: 'varchar(30)', columnType: 'string', literal: text.map(quoted), told: 'v', print: plain },
  {
    type: 'char(50)',
    columnType: 'string',
    literal: fc.stringMatching(/^[a-zü ]{0,9}$/).map(quoted),
    told: `rpad(v::text, 50)`,
    print: plain,
  },
  {
    type: 'bytea',
    columnType: 'bytes',
    literal: byteString,
    told: `encode(v, 'hex')`,
    print: (v) => Buffer.from(v as Uint8Array).toString('hex'),
  },
  { type: 'uuid', columnType: 'uuid', literal: fc.uuid().map((v) => `'${v}'`), told: asIs, print: plain },
  { type: 'timestamptz', columnType: 'timestamp', literal: instant, told: MICROS, print: printMicros },
  {
    type: 'timestamp',
    columnType: 'timestamp',
    literal: instant.map((v) => `((${v})::timestamptz)`),
    told: MICROS,
    print: printMicros,
  },
  {
    type: 'date',
    columnType: 'day',
    literal: fc.oneof(
      fc.integer({ min: -2_440_000, max: 100_000_000 }).map((v) => `date '1970-01-01' + ${v}`),
      fc.constantFrom(`'infinity'`, `'-infinity'`, `'5874897-12-31'`, `'4714-11-24 BC'`),
    ),
    told: DAYS,
    print: (v) => infinite(v) ?? String(parseDay(v as string)),
  },
  {
    type: 'time',
    columnType: 'time',
    literal: fc.oneof(
      fc.nat(86_399_999).map((v) => `time '00:00' + ${interval(BigInt(v * 1000 + (v % 1000)))}`),
      fc.constantFrom(`'24:00'`, `'00:00'`, `'23:59:59.999999'`),
    ),
    told: `round(extract(epoch FROM v) * 1000000)::text`,
    print: (v) => String(parseTimeOfDay(v as string)),
  },
  {
    type: 'json',
    columnType: 'json',
    literal: json.filter((v) => !v.includes('\\u0000')).map(quoted),
    told: asIs,
    print: printJson,
  },
  {
    type: 'jsonb',
    columnType: 'json',
    literal: json.filter((v) => !v.includes('\\u0000')).map(quoted),
    told: asIs,
    print: printJson,
  },
  {
    type: 'mood',
    columnType: 'string',
    literal: fc.constantFrom(`'sad'`, `'so so, "fine"'`),
    told: asIs,
    print: plain,
  },
  { type: 'amount', columnType: 'decimal', literal: fc.nat().map((v) => `${v}.25`), told: asIs, print: plain },
  {
    type: 'interval',
    columnType: 'string',
    literal: fc
      .tuple(fc.integer(), fc.integer({ min: -999, max: 999 }))
      .map(([s, d]) => `'${d} months ${s}.5 seconds'`),
    told: asIs,
    print: plain,
  },
  { type: 'int4range', columnType: 'string', literal: fc.nat(9).map((v) => `'[${v},20)'`), told: asIs, print: plain },
  {
    type: 'tsmultirange',
    columnType: 'string',
    literal: fc.constant(`'{[2020-01-01,2021-01-01),[2022-01-01,)}'`),
    told: asIs,
    print: plain,
  },
  {
    type: 'inet',
    columnType: 'string',
    literal: fc.oneof(fc.ipV4(), fc.ipV6()).map((v) => `'${v}'`),
    told: `case when masklen(v) in (32, 128) then host(v) else v::text end`,
    print: plain,
  },
  { type: 'cidr', columnType: 'string', literal: fc.constantFrom(`'10.0.0.0/8'`, `'::/0'`), told: asIs, print: plain },
  { type: 'macaddr', columnType: 'string', literal: fc.constant(`'08:00:2b:01:02:03'`), told: asIs, print: plain },
  { type: 'pair', columnType: 'string', literal: text.map((v) => `ROW(1, ${quoted(v)})`), told: asIs, print: plain },
  { type: 'xid8', columnType: 'string', literal: fc.constant(`'18446744073709551615'`), told: asIs, print: plain },
  { type: 'money', columnType: 'string', literal: fc.integer().map((v) => `${v}::numeric`), told: asIs, print: plain },
  { type: 'oid', columnType: 'integer', literal: fc.constantFrom('0', '4294967295'), told: asIs, print: plain },
  {
    type: 'int[]',
    columnType: 'integer[]',
    literal: arrayOf(fc.integer().map(plain), 'int'),
    told: ELEMENTS,
    print: printElements(plain),
  },
  {
    type: 'bigint[]',
    columnType: 'bigint[]',
    literal: arrayOf(
      int64.map((v) => `'${v}'::bigint`),
      'bigint',
    ),
    told: ELEMENTS,
    print: printElements(plain),
  },
  {
    type: 'numeric[]',
    columnType: 'decimal[]',
    literal: arrayOf(
      decimal.map((v) => `'${v}'::numeric`),
      'numeric',
    ),
    told: ELEMENTS,
    print: printElements(plain),
  },
  {
    type: 'text[]',
    columnType: 'string[]',
    literal: arrayOf(fc.oneof(text, fc.constantFrom('NULL', 'null', '{}', 'a"b\\c', ',', '')).map(quoted), 'text'),
    told: ELEMENTS,
    print: printElements(plain),
  },
  {
    type: 'bytea[]',
    columnType: 'bytes[]',
    literal: arrayOf(
      byteString.map((v) => `${v}::bytea`),
      'bytea',
    ),
    told: ELEMENTS,
    print: printElements((v) => `\\x${Buffer.from(v as Uint8Array).toString('hex')}`),
  },
  {
    type: 'box[]',
    columnType: 'string[]',
    literal: fc.constant(`'{(1,1),(0,0);(2,2),(0,0)}'`),
    told: ELEMENTS,
    print: printElements(plain),
  },
  {
    type: 'amount[]',
    columnType: 'decimal[]',
    literal: arrayOf(
      fc.nat(999).map((v) => `${v}.5::amount`),
      'amount',
    ),
    told: ELEMENTS,
    print: printElements(plain),
  },
]

let server: PostgresServer
let client: pg.Client
let replication: pg.Client
let stream: ReplicationStream
let table: SourceTable
let mappings: TypeMapping[]
const heap = Heap.inMemory(plainMemory())
heap.begin()
const interner = new Interner(heap)
const decoder = new Decoder(heap.writer.view)
const address = heap.allocator.allocate(1)

/** Words (low, high) by row id and column. */
type Words = Map<number, [number, number][]>
let streamed: Words = new Map()
let committed: () => void = () => undefined

const SETUP = `
  CREATE TYPE mood AS ENUM ('sad', 'so so, "fine"');
  CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
  CREATE DOMAIN amount AS positive;
  CREATE TABLE every (id int PRIMARY KEY, ${cases.map(({ type }, i) => `c${i} ${type}`).join(', ')})`

beforeAll(async () => {
  server = await startPostgres()
  const connection = await server.createDatabase('types')
  client = await connect(connection, 'query')
  await client.query(SETUP)
  const [found] = await readTables(client, ['every'])
  table = found!
  mappings = table.columns.map((column) => mapType(column.type))
  await ensurePublication(client, 'p', [table], 'test')
  const slot = await createSlot(connection, 'types', 10_000)
  await slot.close()
  replication = await connect(connection, 'replication')
  const ignore = () => undefined
  const pgoutput = new PgoutputDecoder({
    begin: ignore,
    relation: ignore,
    update: ignore,
    delete: ignore,
    truncate: ignore,
    insert: (_oid, bytes, row) =>
      keep(streamed, bytes, row.starts, (i) => (row.kinds[i] === FIELD_NULL ? -1 : row.ends[i]!)),
    commit: () => committed(),
  })
  stream = new ReplicationStream(
    replication,
    { slot: 'types', publication: 'p', startLsn: slot.consistentLsn },
    { onMessage: (bytes, start, end) => pgoutput.decode(bytes, start, end), onKeepalive: ignore },
  )
})

afterAll(async () => {
  await stream.stop()
  await replication.end()
  await client.end()
  await server.close()
})

function keep(words: Words, bytes: Buffer, starts: Int32Array, endOf: (column: number) => number): void {
  const row: [number, number][] = mappings.map((mapping, i) => {
    if (endOf(i) === -1) interner.absent()
    else mapping.decode(bytes, starts[i]!, endOf(i), interner)
    return [interner.low, interner.high]
  })
  words.set(Number(bytes.toString('latin1', starts[0], endOf(0))), row)
}

function read([low, high]: [number, number], type: ColumnType): unknown {
  heap.writer.set(address, low, high)
  return decodeAs(type, heap.writer.view, decoder, address)
}

test('the catalogue gives every type its column type', () => {
  expect(mappings.map((mapping) => mapping.columnType)).toEqual([
    'integer',
    ...cases.map(({ columnType }) => columnType),
  ])
  const unknown = cases.filter((_, i) => mappings[i + 1]!.isUnknown).map(({ type }) => type)
  expect(unknown).toEqual(['pair', 'xid8', 'money', 'box[]'])
})

test('copy and stream give the same word, and it reads back as what Postgres has', async () => {
  const row = fc.tuple(...cases.map(({ literal }) => fc.option(literal, { nil: 'NULL', freq: 8 })))
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 10 }), async (rows) => {
      streamed = new Map()
      const received = new Promise<void>((resolve) => {
        committed = resolve
      })
      await client.query(`TRUNCATE every`)
      await received
      const copied: Words = new Map()
      const inserted = new Promise<void>((resolve) => {
        committed = resolve
      })
      await client.query(
        `INSERT INTO every VALUES ${rows.map((values, id) => `(${id}, ${values.join(', ')})`).join(', ')}`,
      )
      await copyRows(client, 'COPY every TO STDOUT', table.columns.length, {
        onRow: (bytes, starts, ends) => keep(copied, bytes, starts, (i) => ends[i]!),
      })
      await Promise.race([inserted, stream.done])
      expect(copied.size).toBe(rows.length)
      expect(streamed).toEqual(copied)
      const columns = cases.map(({ told }, i) => `${told.replace(/\bv\b/g, `c${i}`)} AS c${i}`)
      const expected = await queryRows<Record<string, string | null>>(
        client,
        'asking failed',
        `SELECT id, ${columns.join(', ')} FROM every`,
      )
      for (const truth of expected) {
        const words = copied.get(Number(truth.id))!
        cases.forEach(({ type, columnType, print }, i) => {
          const [low, high] = words[i + 1]!
          const isNull = rows[Number(truth.id)]![i] === 'NULL'
          expect(low === 0 && high === 0, `${type} is null`).toBe(isNull)
          if (isNull) return
          const printed = print(read([low, high], columnType))
          const wanted = truth[`c${i}`]!
          if (columnType === 'json') expect(printed, type).toEqual(printJson(JSON.parse(wanted)))
          else expect(printed, type).toEqual(columnType.endsWith('[]') ? JSON.parse(wanted) : wanted)
        })
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)
