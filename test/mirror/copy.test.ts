import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connect, queryRows } from '../../src/mirror/connection'
import { CopyTextParser, copyRows } from '../../src/mirror/copy'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let client: pg.Client
beforeAll(async () => {
  server = await startPostgres()
  client = await connect(server.connection, 'query')
})
beforeEach(() => client.query('DROP TABLE IF EXISTS sample; CREATE TABLE sample (id int, a text, b text)'))
afterAll(async () => {
  await client.end()
  await server.close()
})

type Row = (string | null)[]

function rowOf(bytes: Buffer, starts: Int32Array, ends: Int32Array): Row {
  return Array.from(starts, (start, i) => (ends[i] === -1 ? null : bytes.toString('utf8', start, ends[i])))
}

async function copied(command: string, columnCount: number): Promise<Row[]> {
  const rows: Row[] = []
  const totals = await copyRows(client, command, columnCount, {
    onRow: (bytes, starts, ends) => rows.push(rowOf(bytes, starts, ends)),
  })
  expect(totals.rows).toBe(rows.length)
  return rows
}

/** Texts full of what the format must escape, and of what only looks like it. */
const text = fc
  .array(fc.constantFrom('\\', '\n', '\r', '\t', '\b', '\f', '\v', 'N', '.', 'a', 'ü', '🐘', '\\N', '\u0001'), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))
const nullableText = fc.option(text, { freq: 4 })

test('every row arrives as the server has it, null and empty and escaped ones too', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(nullableText, nullableText), { maxLength: 50 }), async (pairs) => {
      const rows: Row[] = pairs.map(([a, b], i) => [String(i), a, b])
      const literal = (value: string | null) => (value === null ? 'NULL' : pg.escapeLiteral(value))
      const values = rows.map((row) => `(${row[0]}, ${literal(row[1]!)}, ${literal(row[2]!)})`)
      await client.query('TRUNCATE sample')
      if (rows.length > 0) await client.query(`INSERT INTO sample VALUES ${values.join(', ')}`)
      expect(await copied('COPY (SELECT * FROM sample ORDER BY id) TO STDOUT', 3)).toEqual(rows)
    }),
    { numRuns: 50 },
  )
})

test('rows cut anywhere are put together again', () => {
  const data = Buffer.from('1\ta\\nb\t\\N\n2\t\\\\N\tü\n3\t\t\\\\\\n\n')
  const whole = parsed([data])
  expect(whole).toEqual([
    ['1', 'a\nb', null],
    ['2', '\\N', 'ü'],
    ['3', '', '\\\n'],
  ])
  fc.assert(
    fc.property(fc.array(fc.nat(data.length), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), data.length]
      const pieces = places.slice(1).map((end, i) => Buffer.from(data.subarray(places[i], end)))
      expect(parsed(pieces.filter((piece) => piece.length > 0))).toEqual(whole)
    }),
  )

  function parsed(pieces: Buffer[]): Row[] {
    const rows: Row[] = []
    const parser = new CopyTextParser(3, (bytes, starts, ends) => rows.push(rowOf(bytes, starts, ends)))
    for (const piece of pieces) parser.push(Buffer.from(piece), 0, piece.length)
    parser.finish()
    return rows
  }
})

test('data that does not fit the columns is refused', () => {
  for (const data of ['1\t2\t3\n', '1\n', '1\t2', '1\t2\\\n']) {
    const parser = new CopyTextParser(2, () => undefined)
    const feed = () => {
      parser.push(Buffer.from(data), 0, data.length)
      parser.finish()
    }
    expect(feed, JSON.stringify(data)).toThrowError(expect.objectContaining({ code: 'POSTGRES' }))
  }
})

test('values and rows far larger than a network packet arrive whole', async () => {
  await client.query(`INSERT INTO sample SELECT i, repeat(md5(i::text), 100000), 'end' FROM generate_series(1, 3) i`)
  const hashes: string[] = []
  await copyRows(client, 'COPY (SELECT a, md5(a) FROM sample) TO STDOUT', 2, {
    onRow(bytes, starts, ends) {
      const [value, hash] = rowOf(bytes, starts, ends)
      expect(value).toHaveLength(3_200_000)
      hashes.push(hash!)
    },
  })
  expect(new Set(hashes).size).toBe(3)
})

test('a promise from the handler holds the copy back until it is settled', async () => {
  await client.query(`INSERT INTO sample SELECT i, repeat('x', 1000), NULL FROM generate_series(1, 5000) i`)
  let isHeld = false
  let holds = 0
  const totals = await copyRows(client, 'COPY sample TO STDOUT', 3, {
    onRow() {
      expect(isHeld).toBe(false)
    },
    async onChunk(read) {
      read()
      isHeld = true
      holds++
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
      isHeld = false
    },
  })
  expect(totals).toEqual({ rows: 5000, bytes: expect.any(Number) })
  expect(holds).toBeGreaterThan(10)
})

test('slow handling does not keep the event loop from its turns', async () => {
  await client.query(`INSERT INTO sample SELECT i, repeat('x', 1000), NULL FROM generate_series(1, 3000) i`)
  let chunksInTurn = 0
  let mostInTurn = 0
  let isOver = false
  const turn = () => {
    chunksInTurn = 0
    if (!isOver) setImmediate(turn)
  }
  turn()
  await copyRows(client, 'COPY sample TO STDOUT', 3, {
    onRow: () => undefined,
    onChunk(read) {
      read()
      mostInTurn = Math.max(mostInTurn, ++chunksInTurn)
      for (const start = performance.now(); performance.now() - start < 10; ); // as long as a slice may last
      return undefined
    },
  })
  isOver = true
  expect(mostInTurn).toBe(1)
})

test('an error of the server rejects, also in mid-copy, and leaves the connection usable', async () => {
  await expect(copied('COPY nothing TO STDOUT', 1)).rejects.toMatchObject({
    code: 'POSTGRES',
    details: { sqlState: '42P01' },
  })
  await client.query('INSERT INTO sample SELECT i, NULL, NULL FROM generate_series(1, 20000) i')
  await expect(copied('COPY (SELECT 1 / (20000 - id) FROM sample) TO STDOUT', 1)).rejects.toMatchObject({
    code: 'POSTGRES',
    message: expect.stringContaining('division by zero'),
  })
  expect(await queryRows(client, 'asking failed', 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect(await copied('COPY (SELECT 5) TO STDOUT', 1)).toEqual([['5']])
})

test('what a handler throws rejects the copy', async () => {
  await client.query('INSERT INTO sample SELECT i, NULL, NULL FROM generate_series(1, 20000) i')
  for (const kind of ['row', 'chunk'] as const) {
    const own = await connect(server.connection, 'query')
    const fail = () => {
      throw new RangeError('from the handler')
    }
    const copy = copyRows(own, 'COPY sample TO STDOUT', 3, {
      onRow: kind === 'row' ? fail : () => undefined,
      onChunk: async (read) => (kind === 'chunk' ? fail() : read()),
    })
    await expect(copy).rejects.toThrow(new RangeError('from the handler'))
    await own.end()
  }
})

test('a handler that fails when it has read the last rows rejects the copy, at once or later', async () => {
  await client.query('INSERT INTO sample SELECT i, NULL, NULL FROM generate_series(1, 20) i')
  const failures: Record<string, (read: () => void) => Promise<void> | undefined> = {
    'at once': (read) => {
      read()
      throw new RangeError('from the handler')
    },
    later: async (read) => {
      read()
      await new Promise((resolve) => setTimeout(resolve, 50))
      throw new RangeError('from the handler')
    },
  }
  for (const onChunk of Object.values(failures)) {
    const own = await connect(server.connection, 'query')
    const copy = copyRows(own, 'COPY sample TO STDOUT', 3, { onRow: () => undefined, onChunk })
    await expect(copy).rejects.toThrow(new RangeError('from the handler'))
    await own.end()
  }
})

test('the loss of the connection rejects the copy', async () => {
  const own = await connect(server.connection, 'query')
  const [{ pid }] = await queryRows<{ pid: number }>(own, 'asking failed', 'SELECT pg_backend_pid() AS pid')
  const copy = copyRows(own, 'COPY (SELECT pg_sleep(100)) TO STDOUT', 1, { onRow: () => undefined })
  copy.catch(() => undefined)
  await server.query(`SELECT pg_terminate_backend(${pid})`)
  // What the server said last is not lost with the connection.
  await expect(copy).rejects.toMatchObject({ code: 'POSTGRES', details: { isTransient: true, sqlState: '57P01' } })
})
