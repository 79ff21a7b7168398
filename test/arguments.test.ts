import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  allValues,
  apply,
  collect,
  columnEqual,
  columnNotEqual,
  columnSatisfies,
  compose,
  getColumn,
  indexLookup,
  inSub,
  naturals,
  notInSub,
  product,
  query,
  reduce,
  rows,
  satisfies,
  union,
} from '../src/functions'
import {
  Column,
  type Database,
  Decimal,
  defineIndexType,
  diff,
  Entity,
  type EntityTransaction,
  history,
  Id,
  List,
  memoryFromMmapIo,
  open,
  Rational,
  Ref,
  restore,
  SnapheapError,
  Timestamp,
  verify,
} from '../src/index'
import { mirror } from '../src/postgres'
import { temporaryPath } from './support/store'

@Entity()
class Thing {
  @Id() id!: number
  @Column() name!: string
}

/** What programs without types pass by mistake. */
const MISTAKES: readonly unknown[] = [
  undefined,
  null,
  0,
  5,
  -1,
  1.5,
  Number.NaN,
  10n,
  '',
  '/no such folder/x',
  true,
  Symbol('a symbol'),
  {},
  { name: Symbol('inside') },
  [],
  [null],
  () => 0,
  new Date(Number.NaN),
  new Uint8Array(3),
  Object.create(null),
]

/** A call with a value in one place, and the values that are no mistake there. Default: all are. */
// biome-ignore lint/suspicious/noExplicitAny: what programs without types pass
type Case = [name: string, call: (value: any, db: Database) => unknown, isRight?: (value: unknown) => boolean]

const isNothing = (): boolean => false
const isAbsent = (value: unknown): boolean => value === undefined
const isText = (value: unknown): boolean => typeof value === 'string'
const isFlag = (value: unknown): boolean => value === undefined || value === true
const isPositive = (value: unknown): boolean => value === undefined || (value as number) >= 0
const isInteger = (value: unknown): boolean => typeof value === 'bigint' || Number.isInteger(value)
const isFunction = (value: unknown): boolean => value === undefined || typeof value === 'function'
const isTest = (value: unknown): boolean => typeof value === 'function'
const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0
/** An object without members, which programs may pass for one with some. */
const isRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
const isOptions = (value: unknown): boolean => value === undefined || isRecord(value)

/** Where no server listens. */
const NOWHERE = { host: '127.0.0.1', port: 1 }

let lastPath: string
function freshPath(): string {
  lastPath = temporaryPath()
  return lastPath
}

const TAKE_BACK = new Error('leaves the database as it was')

// biome-ignore lint/suspicious/noExplicitAny: what programs without types pass
function inWrite(call: (tx: EntityTransaction, value: any) => unknown): Case[1] {
  return (value, db) =>
    db.write((tx) => {
      call(tx, value)
      throw TAKE_BACK
    })
}

async function opensWith(decorate: (type: new () => object) => unknown): Promise<void> {
  class Kind {
    declare id: number
    declare more: string
  }
  Id({ type: 'integer' })(Kind.prototype, 'id')
  Entity()(Kind)
  decorate(Kind)
  await (await open(undefined, { entities: [Kind] })).close()
}

const CASES: Case[] = [
  ['defineIndexType(type)', (x) => defineIndexType(x), isNothing],
  ['defineIndexType({ name })', (x) => defineIndexType({ name: x, terms: () => [] }), isText],
  ['defineIndexType({ terms })', (x) => defineIndexType({ name: 'some type', terms: x }), isFunction],
  ['defineIndexType({ asked })', (x) => defineIndexType({ name: 'a type', terms: () => [], asked: x }), isFunction],
  // opening and files
  ['open(path)', (x) => open(x), isOptions],
  ['open(path, options)', (x) => open(freshPath(), x), isOptions],
  ['open(path, { create })', (x) => open(freshPath(), { create: x }), isFlag],
  ['open(path, { readOnly })', (x) => open(freshPath(), { readOnly: x }), isFlag],
  ['open(path, { follow })', (x) => open(freshPath(), { follow: x }), isFlag],
  ['open(path, { durability })', (x) => open(freshPath(), { durability: x }), isOptions],
  ['open(path, { retain })', (x) => open(freshPath(), { retain: x }), isOptions],
  ['open(path, { segmentBytes })', (x) => open(freshPath(), { segmentBytes: x }), isPositive],
  ['open(path, { checkpoint })', (x) => open(freshPath(), { checkpoint: x }), isOptions],
  ['open(path, { verify })', (x) => open(freshPath(), { verify: x }), isOptions],
  ['open(path, { verify: { onDone } })', (x) => open(freshPath(), { verify: { onDone: x } }), isFunction],
  [
    'open(path, { verify: { bytesPerSecond } })',
    (x) => open(freshPath(), { verify: { bytesPerSecond: x } }),
    isPositive,
  ],
  ['open(path, { recovery })', (x) => open(freshPath(), { recovery: x }), isAbsent],
  ['open(path, { snapshotWarningMs })', (x) => open(freshPath(), { snapshotWarningMs: x }), isPositive],
  ['open(path, { onFailure })', (x) => open(freshPath(), { onFailure: x }), isFunction],
  ['open(path, { fileMode })', (x) => open(freshPath(), { fileMode: x }), isAbsent],
  ['open(path, { memory })', (x) => open(freshPath(), { memory: x }), isAbsent],
  [
    'open(path, { entities })',
    (x) => open(freshPath(), { entities: x }),
    (x) => x === null || isAbsent(x) || (Array.isArray(x) && x.length === 0),
  ],
  ['open(path, { retain: { log } })', (x) => open(freshPath(), { retain: { log: x } }), isPositive],
  ['open(path, { checkpoint: { logBytes } })', (x) => open(freshPath(), { checkpoint: { logBytes: x } }), isPositive],
  [
    'open(path, { checkpoint: { intervalMs } })',
    (x) => open(freshPath(), { checkpoint: { intervalMs: x } }),
    isPositive,
  ],
  [
    'open(path, { durability: { intervalMs } })',
    (x) => open(freshPath(), { durability: { intervalMs: x } }),
    isPositive,
  ],
  [
    'open(path, { durability: { intervalBytes } })',
    (x) => open(freshPath(), { durability: { intervalBytes: x } }),
    isPositive,
  ],
  ['verify(path)', (x) => verify(x)],
  ['verify(path, options)', (x, db) => verify(db.path!, x), isOptions],
  ['verify(path, { onProgress })', (x, db) => verify(db.path!, { onProgress: x }), isFunction],
  ['verify(path, { memory })', (x, db) => verify(db.path!, { memory: x }), isAbsent],
  ['history(path)', (x) => history(x), isText],
  ['history(path, options)', (x, db) => history(db.path!, x), isOptions],
  ['history(path, { memory })', (x, db) => history(db.path!, { memory: x }), isAbsent],
  ['diff(before)', (x, db) => diff(x, db.path!)],
  ['diff(before, after)', (x, db) => diff(db.path!, x)],
  ['diff({ path })', (x, db) => diff({ path: x, at: 1 }, db.path!)],
  ['diff({ at })', (x, db) => diff({ path: db.path!, at: x }, db.path!)],
  ['diff(before, after, options)', (x, db) => diff(db.path!, db.path!, x), isOptions],
  ['restore(path)', (x) => restore(x, { to: 1, into: freshPath() })],
  ['restore(path, options)', (x, db) => restore(db.path!, x)],
  ['restore({ to })', (x, db) => restore(db.path!, { to: x, into: freshPath() })],
  ['restore({ into })', (x, db) => restore(db.path!, { to: 1, into: x })],
  ['restore({ replace })', (x, db) => restore(db.path!, { to: 1, into: freshPath(), replace: x }), isFlag],
  ['restore({ fileMode })', (x, db) => restore(db.path!, { to: 1, into: freshPath(), fileMode: x }), isAbsent],
  ['restore({ memory })', (x, db) => restore(db.path!, { to: 1, into: freshPath(), memory: x }), isAbsent],
  ['memoryFromMmapIo(mmapIo)', (x) => memoryFromMmapIo(x), (x) => x instanceof Uint8Array],
  // the database
  ['db.write(change)', (x, db) => db.write(x), isFunction],
  ['db.write(change, options)', (x, db) => db.write(() => 0, x), isOptions],
  ['db.write(change, { sync })', (x, db) => db.write(() => 0, { sync: x }), isFlag],
  ['db.writeAsync(change)', (x, db) => db.writeAsync(x), isFunction],
  ['db.writeAsync(change, options)', (x, db) => db.writeAsync(() => 0, x), isOptions],
  ['db.bulkWrite(change)', (x, db) => db.bulkWrite(x), isFunction],
  ['db.bulkWrite(change, options)', (x, db) => db.bulkWrite(async () => 0, x), isOptions],
  ['db.bulkWrite(change, { log })', (x, db) => db.bulkWrite(async () => 0, { log: x }), isFlag],
  ['db.snapshot(owner)', (x, db) => db.snapshot(x).close(), (x) => isAbsent(x) || isText(x)],
  ['db.buildIndex(table, definition)', (x, db) => db.buildIndex('place', x)],
  ['db.query(of)', (x, db) => db.query(x)],
  ['db.watch(of)', (x, db) => db.watch(x, () => undefined)],
  ['db.watch(table, listener)', (x, db) => db.watch('place', x), isFunction],
  ['db.watch(table, listener, options)', (x, db) => db.watch('place', () => undefined, x), isOptions],
  ['db.changes(of)', (x, db) => db.changes(x)],
  ['db.changes(table, options)', (x, db) => db.changes('place', x).return!(), isOptions],
  ['db.transaction(change)', (x, db) => db.transaction(x), isFunction],
  ['db.saveAs(path)', (x, db) => db.saveAs(x), isAbsent],
  ['db.saveAs(path, options)', (x, db) => db.saveAs(freshPath(), x), isOptions],
  ['db.saveAs(path, { replace })', (x, db) => db.saveAs(freshPath(), { replace: x }), isFlag],
  [
    'db.saveAs(path, { annotation })',
    (x, db) => db.saveAs(freshPath(), { annotation: x }),
    (x) => isAbsent(x) || isText(x),
  ],
  ['db.saveAs(path, { onProgress })', (x, db) => db.saveAs(freshPath(), { onProgress: x }), isFunction],
  ['db.setDurability(durability)', (x, db) => db.setDurability(x), isRecord],
  ['db.asOf(point)', (x, db) => db.asOf(x).close()],
  ['db.table(name)', (x, db) => db.table(x)],
  ['db.get(class)', (x, db) => db.get(x, 1)],
  ['db.get(class, id)', (x, db) => db.get(Thing, x), isInteger],
  ['db.find(class)', (x, db) => db.find(x, {})],
  ['db.find(class, conditions)', (x, db) => db.find(Thing, x), isRecord],
  ['db.find(class, { property })', (x, db) => db.find(Thing, { name: x }), (x) => x === null || isText(x)],
  ['db.findOne(class, conditions)', (x, db) => db.findOne(Thing, x), isRecord],
  ['db.all(class)', (x, db) => db.all(x)],
  ['db.count(class)', (x, db) => db.count(x)],
  // queries out of functions
  ['query(reader)', (x) => query(x as never, rows('place'), collect())],
  ['query(reader, part)', (x, db) => query(db, x as never, collect()), isEmptyArray],
  ['query(reader, part, last)', (x, db) => query(db, rows('place'), x as never), isEmptyArray],
  ['compose(part)', (x) => compose(x as never), isEmptyArray],
  ['rows(table)', (x) => rows(x), isText],
  ...Object.entries({ indexLookup, columnEqual, columnNotEqual, getColumn, allValues }).flatMap(
    ([name, make]): Case[] => [
      [`${name}(table)`, (x) => make(x, 'size', 1), isText],
      [`${name}(table, column)`, (x) => make('place', x, 1), isText],
    ],
  ),
  ['columnSatisfies(table, column, test)', (x) => columnSatisfies('place', 'size', x), isTest],
  ['satisfies(test)', (x) => satisfies(x), isTest],
  ['apply(make)', (x) => apply(x), isTest],
  ['naturals(from)', (x) => naturals(x), (x) => isAbsent(x) || isInteger(x)],
  ['product(part)', (x) => product(x as never), isEmptyArray],
  ['union(part)', (x) => union(x as never), isEmptyArray],
  ['inSub(part)', (x) => inSub(x as never), isEmptyArray],
  ['notInSub(part)', (x) => notInSub(x as never), isEmptyArray],
  [
    'collect(input, limit)',
    (x, db) => query(db, rows('place'), collect(undefined, x)),
    (x) => isAbsent(x) || x === 0 || x === 5,
  ],
  ['reduce(add)', (x) => reduce(x, 0), isTest],
  // tables
  ['table.column(name)', (x, db) => db.table('place').column(x)],
  ['table.get(key)', (x, db) => db.table('place').get(x), isText],
  ['table.rowOf(key)', (x, db) => db.table('thing').rowOf(x), isInteger],
  [
    'table.find(conditions)',
    (x, db) => db.table('place').findRows(x),
    (x) => isRecord(x) || (Array.isArray(x) && x.length === 0),
  ],
  [
    'table.find({ column })',
    (x, db) => db.table('place').findRows({ size: x }),
    (x) => isAbsent(x) || x === null || typeof x === 'number',
  ],
  ['table.find({ column of any })', (x, db) => db.table('place').findRows({ more: x }), () => true],
  ['table.hasRow(row)', (x, db) => db.table('place').hasRow(x), () => true],
  ['table.read(row)', (x, db) => db.table('place').read(x), (x) => x === 0],
  ['table.keyOf(row)', (x, db) => db.table('place').keyOf(x), (x) => x === 0],
  ['column.path(row, steps)', (x, db) => db.table('place').column('more').path(0, x), () => true],
  ['column.length(row, steps)', (x, db) => db.table('place').column('more').length(0, x), () => true],
  // transactions
  ['tx.table(name)', inWrite((tx, x) => tx.table(x))],
  ['tx.get(table)', inWrite((tx, x) => tx.get(x, 1))],
  ['tx.get(table, key)', inWrite((tx, x) => tx.get('place', x)), isText],
  ['tx.insert(table)', inWrite((tx, x) => tx.insert(x, {}))],
  ['tx.insert(table, values)', inWrite((tx, x) => tx.insert('place', x))],
  [
    'tx.insert(table, { column })',
    inWrite((tx, x) => tx.insert('place', { name: 'n', size: x })),
    (x) => x === null || isAbsent(x) || typeof x === 'number',
  ],
  ['tx.insert(table, { key })', inWrite((tx, x) => tx.insert('place', { name: x })), isText],
  ['tx.insert(table, { any })', inWrite((tx, x) => tx.insert('place', { name: 'n', more: x })), () => true],
  ['tx.update(table)', inWrite((tx, x) => tx.update(x, 'here', {}))],
  ['tx.update(table, key)', inWrite((tx, x) => tx.update('place', x, {}))],
  [
    'tx.update(table, key, changes)',
    inWrite((tx, x) => tx.update('place', 'here', x)),
    (x) => isRecord(x) || (Array.isArray(x) && x.length === 0),
  ],
  ['tx.upsert(table)', inWrite((tx, x) => tx.upsert(x, {}))],
  ['tx.upsert(table, values)', inWrite((tx, x) => tx.upsert('place', x))],
  ['tx.delete(table)', inWrite((tx, x) => tx.delete(x, 'here'))],
  ['tx.delete(table, key)', inWrite((tx, x) => tx.delete('place', x)), isText],
  ['tx.delete(object)', inWrite((tx, x) => tx.delete(x))],
  ['tx.truncate(table)', inWrite((tx, x) => tx.truncate(x))],
  ['tx.createTable(name)', inWrite((tx, x) => tx.createTable(x, { key: 'id', columns: { id: 'integer' } })), isText],
  ['tx.createTable(name, definition)', inWrite((tx, x) => tx.createTable('new', x))],
  ['tx.createTable(name, { key })', inWrite((tx, x) => tx.createTable('new', { key: x, columns: { id: 'integer' } }))],
  ['tx.createTable(name, { columns })', inWrite((tx, x) => tx.createTable('new', { key: 'id', columns: x }))],
  [
    'tx.createTable(name, { columns: { id } })',
    inWrite((tx, x) => tx.createTable('new', { key: 'id', columns: { id: x } })),
  ],
  ...['type', 'nullable', 'unique', 'index'].map(
    (name): Case => [
      `tx.addColumn(table, name, { ${name} })`,
      inWrite((tx, x) => tx.addColumn('place', 'new', { type: 'any', [name]: x })),
      name === 'type' ? isNothing : isFlag,
    ],
  ),
  ['tx.addColumn(table)', inWrite((tx, x) => tx.addColumn(x, 'new', 'any'))],
  ['tx.addColumn(table, name)', inWrite((tx, x) => tx.addColumn('place', x, 'any')), isText],
  ['tx.addColumn(table, name, definition)', inWrite((tx, x) => tx.addColumn('place', 'new', x))],
  [
    'tx.addColumn(table, name, definition, value)',
    inWrite((tx, x) => tx.addColumn('place', 'new', 'number', x)),
    (x) => typeof x === 'number',
  ],
  ['tx.dropTable(name)', inWrite((tx, x) => tx.dropTable(x))],
  ['tx.renameTable(name)', inWrite((tx, x) => tx.renameTable(x, 'new'))],
  ['tx.renameTable(name, newName)', inWrite((tx, x) => tx.renameTable('place', x)), isText],
  ['tx.dropColumn(table, name)', inWrite((tx, x) => tx.dropColumn('place', x))],
  ['tx.renameColumn(table, name)', inWrite((tx, x) => tx.renameColumn('place', x, 'new'))],
  ['tx.renameColumn(table, name, newName)', inWrite((tx, x) => tx.renameColumn('place', 'size', x)), isText],
  ['tx.addIndex(table, column)', inWrite((tx, x) => tx.addIndex('place', x))],
  ['tx.dropIndex(table, column)', inWrite((tx, x) => tx.dropIndex('place', x))],
  ['tx.setProperties(table, value)', inWrite((tx, x) => tx.setProperties('place', x)), () => true],
  ['tx.writer(table)', inWrite((tx, x) => tx.writer(x))],
  ['tx.writer(table).insert(values)', inWrite((tx, x) => tx.writer('place').insert(x))],
  ['tx.writer(table).update(row)', inWrite((tx, x) => tx.writer('place').update(x, { size: 1 })), (x) => x === 0],
  [
    'tx.writer(table).update(row, changes)',
    inWrite((tx, x) => tx.writer('place').update(0, x)),
    (x) => isRecord(x) || (Array.isArray(x) && x.length === 0),
  ],
  ['tx.writer(table).delete(row)', inWrite((tx, x) => tx.writer('place').delete(x)), (x) => x === 0],
  [
    'tx.annotation',
    inWrite((tx, x) => {
      tx.annotation = x
    }),
    isText,
  ],
  ['tx.insert(class)', inWrite((tx, x) => tx.insert(x, {} as never))],
  ['tx.insert(class, values)', inWrite((tx, x) => tx.insert(Thing, x))],
  ['tx.insert(class, { property })', inWrite((tx, x) => tx.insert(Thing, { id: 2, name: x })), isText],
  ['tx.update(object)', inWrite((tx, x) => tx.update(x, {}))],
  ['tx.update(object, changes)', inWrite((tx, x) => tx.update(tx.get(Thing, 1)!, x)), isRecord],
  [
    'object.property',
    inWrite((tx, x) => {
      tx.get(Thing, 1)!.name = x
    }),
    isText,
  ],
  // classes and values
  ['@Entity(options)', (x) => Entity(x)(class {}), isOptions],
  ['@Entity({ name })', (x) => opensWith((type) => Entity({ name: x })(type)), (x) => isAbsent(x) || isText(x)],
  ['@Column(options)', (x) => opensWith((type) => Column(x)(type.prototype, 'more'))],
  ...['name', 'type', 'nullable', 'unique', 'index'].map(
    (name): Case => [
      `@Column({ ${name} })`,
      (x) => opensWith((type) => Column({ type: 'string', [name]: x })(type.prototype, 'more')),
      name === 'name' ? (x) => isAbsent(x) || isText(x) : name === 'type' ? isNothing : isFlag,
    ],
  ),
  ['@Id(options)', (x) => opensWith((type) => Id(x)(type.prototype, 'more'))],
  ['@Ref(target)', (x) => opensWith((type) => Ref(x)(type.prototype, 'more'))],
  ['@Ref(() => target)', (x) => opensWith((type) => Ref(() => x)(type.prototype, 'more'))],
  ['@Ref(target, options)', (x) => opensWith((type) => Ref(() => type, x)(type.prototype, 'more')), isOptions],
  ['Decimal.parse(text)', (x) => Decimal.parse(x)],
  ['new Decimal(coefficient)', (x) => new Decimal(x, 0), (x) => typeof x === 'bigint'],
  ['new Decimal(coefficient, scale)', (x) => new Decimal(1n, x), isInteger],
  ['decimal.compare(other)', (x) => new Decimal(1n, 0).compare(x)],
  ['new Rational(numerator)', (x) => new Rational(x, 1n), (x) => typeof x === 'bigint'],
  ['new Rational(numerator, denominator)', (x) => new Rational(1n, x), (x) => typeof x === 'bigint'],
  ['new List(items)', (x) => new List(x), (x) => isText(x) || Array.isArray(x) || x instanceof Uint8Array],
  ['new Timestamp(ms)', (x) => new Timestamp(x), (x) => typeof x === 'number'],
  ['new Timestamp(ms, microseconds)', (x) => new Timestamp(0, x), (x) => isAbsent(x) || isInteger(x)],
  // the mirror
  ['mirror(db)', (x) => mirror(x, { connection: NOWHERE, tables: ['a'] })],
  ['mirror(db, options)', (x, db) => mirror(db, x)],
  ...['connection', 'tables', 'slot', 'publication', 'syncIntervalMs', 'checkIntervalMs', 'applyIntervalMs'].map(
    (name): Case => [
      `mirror(db, { ${name} })`,
      (x, db) => mirror(db, { connection: NOWHERE, tables: ['a'], slot: 's', [name]: x }),
    ],
  ),
]

async function opened(path: string): Promise<Database> {
  const db = await open(path, { entities: [Thing], durability: 'none' })
  db.write((tx) => {
    tx.insert(Thing, { id: 1, name: 'a' })
    tx.createTable('place', {
      key: 'name',
      columns: { name: 'string', size: { type: 'number', nullable: true }, more: 'any' },
    })
    tx.insert('place', { name: 'here', size: 5 })
  })
  await db.checkpoint()
  return db
}

/** The error of a call, undefined without one. What it opened is closed, what it generates is read. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    const result = await call()
    if (typeof result !== 'object' || result === null) return undefined
    if ('next' in result) for (const _ of result as Generator<unknown>);
    if ('close' in result) await (result as Database).close()
    return undefined
  } catch (error) {
    return error === TAKE_BACK ? undefined : error
  }
}

/** Faults of the library or of the file, which no argument may bring about. */
const NO_ANSWER: readonly unknown[] = ['INTERNAL', 'CORRUPT', 'CLOSED']

describe('a mistaken argument is an error that says so', () => {
  let db: Database
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'snapheap-'))
    db = await opened(join(folder, 'test.heap'))
  })
  afterAll(async () => {
    expect(db.check().problems).toEqual([])
    await db.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(CASES)('%s', async (_name, call, isRight = isNothing) => {
    for (const value of MISTAKES) {
      lastPath = ''
      const error = await errorOf(() => call(value, db))
      const what = `${inspect(value)} -> ${String(error)}`
      if (error !== undefined || !isRight(value)) {
        expect(error, what).toBeInstanceOf(SnapheapError)
        expect(NO_ANSWER, what).not.toContain((error as SnapheapError).code)
      }
      if (error !== undefined && lastPath !== '') expect(readdirSync(dirname(lastPath)), what).toEqual([])
    }
  })
})

test('what is no database is left as it is, with nothing beside it', async () => {
  const path = temporaryPath()
  const folder = dirname(path)
  await expect(open(path, { create: false })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(open(folder)).rejects.toMatchObject({ code: 'IO' })
  expect([...readdirSync(folder), existsSync(`${folder}.lock`)]).toEqual([false])
  writeFileSync(path, 'no heap'.repeat(10_000))
  await expect(open(path)).rejects.toMatchObject({ code: 'CORRUPT' })
  expect(readdirSync(folder)).toEqual([basename(path)])
})
