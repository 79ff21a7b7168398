import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { generate } from '../../src/cli/generate'
import { Column, type Decimal, Entity, Id, open, Ref, type Reference } from '../../src/index'
import { startPostgres } from '../support/postgres'
import { runProgram, typeErrors } from '../support/program'

const here = dirname(fileURLToPath(import.meta.url))
let folder: string

beforeEach(() => {
  const runs = join(here, '..', '.run') // inside the repository, where packages are found
  mkdirSync(runs, { recursive: true })
  folder = mkdtempSync(join(runs, 'generate-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

@Entity()
class Customer {
  @Id() id!: bigint
  @Column() name!: string
  @Ref(() => Customer, { nullable: true }) recommendedBy!: Reference<Customer> | null
}

@Entity({ name: 'order line' })
class OrderLine {
  @Id() @Ref(() => Customer) customer!: Customer
  @Id({ type: 'integer' }) position!: number
  @Column({ type: 'decimal', nullable: true }) price!: Decimal | null
  @Column({ unique: true }) serial!: string
  @Column({ index: false }) text!: string
  @Column({ type: 'string[]' }) tags!: (string | null)[]
  @Column({ index: 'ordered' }) weight!: number
  @Column({ type: 'json', nullable: true }) extra!: unknown
  @Ref(() => Customer, { name: 'payer_id', nullable: true }) payer!: Customer | null
}

const EXPECTED = `// Written by \`snapheap generate\`: a class for each table, to be changed as you like.
import { Column, Decimal, Entity, Id, Ref, type Reference } from 'snapheap'

@Entity()
export class Customer {
  @Id() id!: bigint
  @Column() name!: string
  @Ref(() => Customer, { nullable: true }) recommendedBy!: Reference<Customer> | null
}

@Entity({ name: 'order line' })
export class OrderLine {
  @Id() @Ref(() => Customer) customer!: Reference<Customer>
  @Id() position!: number
  @Column({ nullable: true, type: 'decimal' }) price!: Decimal | null
  @Column({ unique: true }) serial!: string
  @Column({ index: false }) text!: string
  @Column({ type: 'string[]' }) tags!: (string | null)[]
  @Column({ index: 'ordered' }) weight!: number
  @Column({ type: 'json', nullable: true }) extra!: unknown
  @Ref(() => Customer, { name: 'payer_id', nullable: true }) payer!: Reference<Customer> | null
}
`

describe('classes generated from a file', () => {
  test('are well typed, refer to each other, and open the same file without a difference', async () => {
    const path = join(folder, 'shop.heap')
    {
      await using db = await open(path, { entities: [Customer, OrderLine] })
      db.write((tx) => {
        const ann = tx.create(Customer, { id: 1n, name: 'Ann' })
        tx.create(Customer, { id: 2n, name: 'Bob', recommendedBy: ann })
        tx.create(OrderLine, { customer: ann, position: 1, serial: 's', text: 't', tags: ['x'], weight: 1, payer: 2n })
      })
    }
    const out = join(folder, 'classes.ts')
    await generate(['--from', path, '--out', out, '--style', 'classes'])
    const source = readFileSync(out, 'utf8')
    expect(source).toBe(EXPECTED.replace("{ nullable: true, type: 'decimal' }", "{ type: 'decimal', nullable: true }"))
    const program = join(folder, 'program.ts')
    writeFileSync(
      program,
      `import { open } from 'snapheap'
import { Customer, OrderLine } from './classes'
const db = await open(${JSON.stringify(path)}, { entities: [Customer, OrderLine], schema: 'check' })
const line = db.get(OrderLine, [1n, 1])
console.log(line?.customer.name, line?.payer?.recommendedBy?.name, line?.tags)
await db.close()
`,
    )
    expect(typeErrors(program)).toEqual([])
    expect(await runProgram(program)).toEqual({ exitCode: 0, stdout: "Ann Ann [ 'x' ]\n", stderr: '' })
  })
})

const EXPECTED_TABLES = `// Written by \`snapheap generate\`: a definition for each table, to be changed as you like.
import { bigint, decimal, integer, json, number, ref, table, text, type RowOf } from 'snapheap'

export const customer = table('customer', {
  id: bigint().key(),
  name: text(),
  get recommendedBy() {
    return ref(() => customer).nullable()
  },
})
export type Customer = RowOf<typeof customer>

export const orderLine = table('order line', {
  customer: ref(() => customer).key(),
  position: integer().key(),
  price: decimal().nullable(),
  serial: text().unique(),
  text: text().index(false),
  tags: text().array(),
  weight: number().index('ordered'),
  extra: json().nullable(),
  payer: ref(() => customer).nullable().column('payer_id'),
})
export type OrderLine = RowOf<typeof orderLine>
`

test('tables generated from a file are well typed, refer to each other, and open it without a difference', async () => {
  const path = join(folder, 'shop.heap')
  {
    await using db = await open(path, { entities: [Customer, OrderLine] })
    db.write((tx) => {
      const ann = tx.create(Customer, { id: 1n, name: 'Ann' })
      tx.create(Customer, { id: 2n, name: 'Bob', recommendedBy: ann })
      tx.create(OrderLine, { customer: ann, position: 1, serial: 's', text: 't', tags: ['x'], weight: 1, payer: 2n })
    })
  }
  const out = join(folder, 'tables.ts')
  await generate(['--from', path, '--out', out])
  expect(readFileSync(out, 'utf8')).toBe(EXPECTED_TABLES)
  const program = join(folder, 'program.ts')
  writeFileSync(
    program,
    `import { open } from 'snapheap'
import { customer, type OrderLine, orderLine } from './tables'
const db = await open(${JSON.stringify(path)}, { entities: [customer, orderLine], schema: 'check' })
const line: OrderLine | undefined = db.get(orderLine, [1n, 1])
console.log(line?.customer.name, line?.payer?.recommendedBy?.name, line?.tags)
await db.close()
`,
  )
  expect(typeErrors(program)).toEqual([])
  expect(await runProgram(program)).toEqual({ exitCode: 0, stdout: "Ann Ann [ 'x' ]\n", stderr: '' })
})

test.each(['tables', 'classes'])('%s have names that the language allows and has nothing else under', async (style) => {
  const path = join(folder, 'odd.heap')
  const columns = [
    'constructor',
    'toJSON',
    'value_of',
    'a b',
    'a-b',
    "it's",
    'ID',
    '2nd',
    'class',
    '€',
    'HTTPStatus',
    'x_1',
    '\\',
  ] as const
  const names = [
    'date',
    'Date',
    'column',
    'my-table',
    'my_table',
    '1st',
    '!!',
    "o'clock",
    'Reference',
    'TV',
    'RowOf',
  ].concat(['big_int', 'table', 'text', 'ref', 'class', 'await', 'is_nan', 'object', 'number', 'undefined'])
  {
    await using db = await open(path)
    db.write((tx) => {
      const all = Object.fromEntries(columns.map((name) => [name, { type: 'timestamp', nullable: true } as const]))
      for (const name of names) {
        const key = { 'key part': 'uuid', n: 'bigint' } as const
        tx.createTable(name, { key: 'key part', columns: { ...key, ...all, any: 'any' } })
      }
    })
  }
  const out = join(folder, 'definitions.ts')
  await generate(['--from', path, '--out', out, '--style', style])
  const made = [...readFileSync(out, 'utf8').matchAll(/^export (?:class|const) (\S+)/gm)].map(([, name]) => name)
  expect(new Set(made).size).toBe(names.length)
  const others = 'BigInt Date Object Number Reference undefined class await table text ref'.split(' ')
  expect(made.filter((name) => others.includes(name))).toEqual([])
  const program = join(folder, 'program.ts')
  writeFileSync(
    program,
    `import { open } from 'snapheap'
import * as definitions from './definitions'
const db = await open(${JSON.stringify(path)}, { entities: Object.values(definitions), schema: 'check' })
console.log(db.tableNames.length)
await db.close()
`,
  )
  expect(typeErrors(program)).toEqual([])
  expect(await runProgram(program)).toEqual({ exitCode: 0, stdout: `${names.length}\n`, stderr: '' })
})

test('classes generated from Postgres are well typed and show what is mirrored, references included', async () => {
  await using server = await startPostgres()
  const { database } = await server.createDatabase('shop')
  await server.query(
    `CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, since date, score numeric(10, 2) NOT NULL);
     INSERT INTO customer VALUES (1, 'Ada', '2024-02-29', 1.50);
     CREATE SCHEMA sales;
     CREATE TABLE sales.quote (id bigint PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, seller int REFERENCES customer,
                               notes text[], made timestamptz NOT NULL DEFAULT now(), body jsonb);
     INSERT INTO sales.quote VALUES (7, 1, NULL, '{a,b}', '2024-01-01Z', '{"x": 1}');
     CREATE TABLE keyless (x int)`,
    database,
  )
  const { host, port, user } = server.tcpConnection
  const url = `postgres://${user}@${host}:${port}/${database}`
  const out = join(folder, 'classes.ts')
  await generate(['--from', url, '--out', out, '--style', 'classes'])
  const program = join(folder, 'program.ts')
  writeFileSync(
    program,
    `import { open } from 'snapheap'
import { mirror } from 'snapheap/postgres'
import { Customer, SalesQuote } from './classes'
const db = await open(undefined, { entities: [Customer, SalesQuote] })
const shop = await mirror(db, { connection: process.env.DATABASE_URL!, tables: ['customer', 'sales.quote'] })
await shop.ready
const quote = db.get(SalesQuote, 7n)!
console.log(quote.customer.name, quote.customer.since, String(quote.customer.score), quote.seller, quote.notes, quote.made.toISOString())
try {
  db.write((tx) => tx.set(quote, { seller: 1 }))
} catch (error) {
  console.log((error as Error).message)
}
await shop.close({ dropSlot: true })
await db.close()
`,
  )
  expect(typeErrors(program)).toEqual([])
  expect(await runProgram(program, { DATABASE_URL: url })).toEqual({
    exitCode: 0,
    stderr: '',
    stdout: [
      "Ada 2024-02-29 1.50 null [ 'a', 'b' ] 2024-01-01T00:00:00.000Z",
      'Table sales.quote cannot be changed here. It is mirrored from Postgres: write there.',
      '',
    ].join('\n'),
  })
})

test('the database that classes are generated from is not overwritten with them, whatever it is called', async () => {
  const path = join(folder, 'shop.heap')
  const db = await open(path, { entities: [Customer] })
  await db.save()
  await db.close()
  const before = readFileSync(path)
  const link = join(folder, 'link.heap')
  symlinkSync(path, link)
  for (const out of [path, link, join(folder, '.', 'shop.heap')])
    await expect(generate(['--from', path, '--out', out])).rejects.toThrow('is the database itself')
  expect(readFileSync(path)).toEqual(before)
})

describe('the command', () => {
  const program = join(here, '../../src/cli/run')

  test('writes to the standard output', async () => {
    const path = join(folder, 'shop.heap')
    await (await open(path, { entities: [Customer] })).close()
    const main = join(folder, 'main.ts')
    writeFileSync(
      main,
      `import { run } from ${JSON.stringify(program)}\nvoid run(['generate', '--from', ${JSON.stringify(path)}])\n`,
    )
    const { exitCode, stdout, stderr } = await runProgram(main)
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toContain("export const customer = table('customer', {")
  })

  test.each<[string, string[], RegExp]>([
    ['no options', [], /^It needs --from\. Usage: snapheap generate/],
    ['an unknown option', ['--form', 'x'], /^Unknown option '--form'.* Usage: snapheap generate/],
    ['a file that is not there', ['--from', join(here, 'none.heap')], /none\.heap/],
    ['an unknown style', ['--from', 'x', '--style', 'rows'], /^--style is tables or classes, not rows\. Usage/],
    ['no server', ['--from', 'postgres://127.0.0.1:1/none'], /connecting failed/],
  ])('refuses %s', async (_, args, message) => {
    await expect(generate(args)).rejects.toThrow(expect.objectContaining({ message: expect.stringMatching(message) }))
  })

  test('says in one line what is wrong', async () => {
    const main = join(folder, 'main.ts')
    writeFileSync(main, `import { run } from ${JSON.stringify(program)}\nvoid run(['degenerate'])\n`)
    const line =
      'There is no command degenerate. Usage: snapheap generate --from <file.heap | postgres://…> [--out <tables.ts>] ' +
      '[--style <tables | classes>], or snapheap --version\n'
    expect(await runProgram(main)).toEqual({ exitCode: 1, stdout: '', stderr: line })
  })

  test('says its version', async () => {
    const main = join(folder, 'main.ts')
    writeFileSync(main, `import { run } from ${JSON.stringify(program)}\nvoid run(['--version'])\n`)
    const { version } = JSON.parse(readFileSync(join(here, '../../package.json'), 'utf8')) as { version: string }
    expect(await runProgram(main)).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' })
  })
})
