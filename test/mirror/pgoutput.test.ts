import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SnapheapError } from '../../src/errors'
import { readTables, type SourceTable } from '../../src/mirror/catalogue'
import { connect, queryRows } from '../../src/mirror/connection'
import {
  type ChangeHandler,
  FIELD_NULL,
  FIELD_UNCHANGED,
  PgoutputDecoder,
  type Relation,
  type Tuple,
} from '../../src/mirror/pgoutput'
import { ensurePublication } from '../../src/mirror/publication'
import { createSlot } from '../../src/mirror/slot'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let client: pg.Client
let messages: Buffer[]

const SETUP = `
  CREATE TYPE mood AS ENUM ('fine');
  CREATE TABLE plain (id int PRIMARY KEY, v text, big text, m mood);
  CREATE TABLE whole (id int PRIMARY KEY, v text);
  CREATE TABLE referring (id int PRIMARY KEY REFERENCES plain);
  CREATE TABLE parted (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
  CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
  CREATE TABLE parted_high (v text, id int NOT NULL PRIMARY KEY);
  ALTER TABLE parted ATTACH PARTITION parted_high FOR VALUES FROM (100) TO (200);
  ALTER TABLE plain ALTER big SET STORAGE EXTERNAL;
  ALTER TABLE whole REPLICA IDENTITY FULL;`
const CHANGES = [
  `INSERT INTO plain VALUES (1, 'ü', repeat('x', 10000), 'fine'), (2, NULL, NULL, NULL)`,
  `UPDATE plain SET v = 'b' WHERE id = 1`,
  `UPDATE plain SET id = 3 WHERE id = 1`,
  'DELETE FROM plain WHERE id = 3',
  `INSERT INTO whole VALUES (1, 'a')`,
  `UPDATE whole SET v = 'b'`,
  'DELETE FROM whole',
  `INSERT INTO parted VALUES (5, 'low'), (105, 'high')`,
  'UPDATE parted SET id = id + 50 WHERE id = 105',
  'UPDATE parted SET id = id + 100 WHERE id = 5',
  'TRUNCATE plain CASCADE',
]

beforeAll(async () => {
  server = await startPostgres()
  const connection = await server.createDatabase('pgoutput')
  client = await connect(connection, 'query')
  await client.query(SETUP)
  const tables = (await readTables(client, ['plain', 'whole', 'referring', 'parted'])) as SourceTable[]
  await ensurePublication(client, 'p', tables, 'test')
  await (await createSlot(connection, 'pgoutput', 10_000)).close()
  for (const change of CHANGES) await client.query(change)
  const rows = await queryRows<{ data: string }>(
    client,
    'reading the changes failed',
    `SELECT data FROM pg_logical_slot_peek_binary_changes('pgoutput', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')`,
  )
  messages = rows.map(({ data }) => Buffer.from(data.slice(2), 'hex'))
})
afterAll(async () => {
  await client.end()
  await server.close()
})

/** Writes down what it is told, as one line each. */
class Log implements ChangeHandler {
  lines: string[] = []
  relations = new Map<number, Relation>()
  commits: bigint[] = []
  begin(finalLsn: bigint, commitTimeMs: number): void {
    this.lines.push('begin')
    expect(Math.abs(commitTimeMs - Date.now())).toBeLessThan(600_000)
    this.commits.push(finalLsn)
  }
  commit(commitLsn: bigint, endLsn: bigint): void {
    expect(commitLsn).toBe(this.commits.at(-1))
    expect(endLsn).toBeGreaterThan(commitLsn)
    this.lines.push('commit')
  }
  relation(relation: Relation): void {
    this.relations.set(relation.oid, relation)
  }
  insert(oid: number, bytes: Buffer, row: Tuple): void {
    this.lines.push(`insert ${this.name(oid)} ${print(bytes, row)}`)
  }
  update(oid: number, bytes: Buffer, row: Tuple, old: Tuple | undefined, oldIsKey: boolean): void {
    const before = old === undefined ? '' : `${oldIsKey ? 'key' : 'row'} ${print(bytes, old)} -> `
    this.lines.push(`update ${this.name(oid)} ${before}${print(bytes, row)}`)
  }
  delete(oid: number, bytes: Buffer, old: Tuple, oldIsKey: boolean): void {
    this.lines.push(`delete ${this.name(oid)} ${oldIsKey ? 'key' : 'row'} ${print(bytes, old)}`)
  }
  truncate(oids: number[]): void {
    this.lines.push(`truncate ${oids.map((oid) => this.name(oid)).sort()}`)
  }
  private name(oid: number): string {
    return this.relations.get(oid)!.name
  }
}

function print(bytes: Buffer, tuple: Tuple): string {
  return Array.from({ length: tuple.count }, (_, i) => {
    if (tuple.kinds[i] === FIELD_NULL) return 'null'
    if (tuple.kinds[i] === FIELD_UNCHANGED) return 'unchanged'
    const text = bytes.toString('utf8', tuple.starts[i], tuple.ends[i])
    return text.length > 100 ? `${text.length} characters` : text
  }).join(',')
}

test('every kind of change is told as it happened', () => {
  const log = new Log()
  const decoder = new PgoutputDecoder(log)
  for (const message of messages) decoder.decode(message, 0, message.length)
  const changes = log.lines.filter((line) => line !== 'begin' && line !== 'commit')
  expect(changes).toEqual([
    'insert plain 1,ü,10000 characters,fine',
    'insert plain 2,null,null,null',
    'update plain 1,b,unchanged,fine',
    'update plain key 1,null,null,null -> 3,b,unchanged,fine',
    'delete plain key 3,null,null,null',
    'insert whole 1,a',
    'update whole row 1,a -> 1,b',
    'delete whole row 1,b',
    'insert parted_low 5,low',
    'insert parted_high high,105',
    'update parted_high key null,105 -> high,155',
    'delete parted_low key 5,null',
    'insert parted_high low,105',
    'truncate plain,referring',
  ])
  expect(log.lines.filter((line) => line === 'commit')).toHaveLength(CHANGES.length)
  const plain = [...log.relations.values()].find(({ name }) => name === 'plain')!
  expect(plain).toMatchObject({ schema: 'public', replicaIdentity: 'd' })
  expect(plain.columns).toMatchObject([
    { name: 'id', isKey: true, typeOid: 23, typeModifier: -1 },
    { name: 'v', isKey: false, typeOid: 25 },
    { name: 'big', isKey: false },
    { name: 'm', isKey: false },
  ])
})

test('a message cut anywhere is an error, never a read beyond its end', () => {
  const guard = new Decoy()
  for (const message of new Set(messages)) {
    const surrounded = Buffer.concat([message, Buffer.alloc(64, 0x6e)])
    for (let length = 0; length < Math.min(message.length, 300); length++) {
      guard.limit = length
      expect(() => new PgoutputDecoder(guard).decode(surrounded, 0, length), `${message[0]} ${length}`).toThrow(
        SnapheapError,
      )
    }
  }
})

test('damaged and random messages are decoded within their bounds or refused', () => {
  const guard = new Decoy()
  const decode = (bytes: Buffer) => {
    guard.limit = bytes.length
    try {
      new PgoutputDecoder(guard).decode(Buffer.concat([bytes, Buffer.alloc(64)]), 0, bytes.length)
    } catch (error) {
      expect(error).toMatchObject({ code: 'POSTGRES' })
    }
  }
  const damages = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.nat(), damages, (which, changes) => {
      const bytes = Buffer.from(messages[which % messages.length]!)
      for (const [place, byte] of changes) bytes[place % Math.min(bytes.length, 80)] = byte
      decode(bytes)
    }),
    { numRuns: 5000 },
  )
  const start = fc.constantFrom(...'BCORYIUDTM').map((letter) => letter.charCodeAt(0))
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 80 }), (type, rest) => decode(Buffer.from([type, ...rest]))),
    { numRuns: 5000 },
  )
})

/** Takes anything, but no field that reaches beyond the message. */
class Decoy implements ChangeHandler {
  limit = 0
  private check(tuple: Tuple): void {
    for (let i = 0; i < tuple.count; i++) {
      if (tuple.kinds[i] === FIELD_NULL || tuple.kinds[i] === FIELD_UNCHANGED) continue
      expect(tuple.starts[i]).toBeLessThanOrEqual(tuple.ends[i]!)
      expect(tuple.ends[i]).toBeLessThanOrEqual(this.limit)
    }
  }
  begin(): void {}
  commit(): void {}
  relation(): void {}
  truncate(): void {}
  insert(_oid: number, _bytes: Buffer, row: Tuple): void {
    this.check(row)
  }
  update(_oid: number, _bytes: Buffer, row: Tuple, old: Tuple | undefined): void {
    this.check(row)
    if (old !== undefined) this.check(old)
  }
  delete(_oid: number, _bytes: Buffer, old: Tuple): void {
    this.check(old)
  }
}
