import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as file from '../src/heap/file-format'
import * as heap from '../src/heap/layout'
import * as log from '../src/log/format'
import { JSON_LIMITS } from '../src/query/json-limits'
import { CONSTANT, TAG } from '../src/value/word'
import { startPostgres } from './support/postgres'
import { runProgram, typeErrors } from './support/program'

const here = dirname(fileURLToPath(import.meta.url))
const docs = join(here, '..', 'docs')
const format = readFileSync(join(docs, 'format.md'), 'utf8')
const scope: Record<string, unknown> = { ...file, ...heap, ...log, TAG }

/** The value of "NAME.member" or "NAME[0]" in the code. */
function constant(path: string): unknown {
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== '')
    .reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], scope)
}

describe('docs/format.md', () => {
  const documented = [...format.matchAll(/^\| *`([\w.[\]]+)` *\| *(\S+) *\|$/gm)]

  test.each(documented.map(([, path, value]) => [path, value]))('says what the code says: %s is %s', (path, value) => {
    const actual = constant(path)
    expect(typeof actual === 'number' ? Number(value) : value).toBe(actual)
  })

  test('documents every member of the constants it draws', () => {
    const paths = new Set(documented.map(([, path]) => path))
    const drawn = { HEADER: file.HEADER, ROOT_SLOT: file.ROOT_SLOT, ROOT: heap.ROOT, TAG }
    const missing = Object.entries({
      ...drawn,
      SEGMENT: log.SEGMENT,
      RECORD: log.RECORD,
      DURABLE_MARK: log.DURABLE_MARK,
    })
      .flatMap(([name, members]) => Object.keys(members).map((member) => `${name}.${member}`))
      .filter((path) => !paths.has(path))
    expect(missing).toEqual([])
    expect(documented.length).toBeGreaterThan(50)
  })

  test('lists the constant words', () => {
    for (const payload of Object.values(CONSTANT)) expect(format).toMatch(new RegExp(`\\b${payload} \\S`))
  })
})

describe('README.md', () => {
  const readme = readFileSync(join(here, '..', 'README.md'), 'utf8')

  test('the quick start prints what its comments say', async () => {
    const code = block(readme, 'js')
    const promised = [...code.matchAll(/^console\.log\(.*\) \/\/ (.*)$/gm)].map(([, comment]) => `${comment}\n`)
    expect(promised).toHaveLength(2)
    expect(await runProgram(programFile(code))).toEqual({ exitCode: 0, stdout: promised.join(''), stderr: '' })
  })

  test('has at most 700 words', () => {
    expect(readme.split(/\s+/).filter((word) => word !== '').length).toBeLessThanOrEqual(700)
  })

  test('what docs/durability.md shows of the log runs, and the past is what it was', async () => {
    const code = block(readFileSync(join(docs, 'durability.md'), 'utf8'), 'mjs').replaceAll(
      /'((shop|an-hour-ago)\.heap)'/g,
      "file('$1')",
    )
    const file = programFile(`import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open as openFirst } from 'snapheap'
const file = (name: string) => join(dirname(fileURLToPath(import.meta.url)), name)
const orders = [{ id: 1 }, { id: 2 }]
{
  const empty = await openFirst(file('shop.heap'))
  empty.write((tx) => {
    tx.createTable('animal', { key: 'id', columns: { id: 'integer', name: 'string', legs: 'integer' } })
    tx.createTable('orders', { key: 'id', columns: { id: 'integer' } })
  })
  await empty.close()
}
${code
  .replace('new Date(Date.now() - 3_600_000)', "'import 17'")
  .replace('console.log(version, time, annotation)', 'seen(version, time, annotation)')
  .replace('await diff(', 'console.log(await diff(')
  .replace(/(await diff\([^\n]*\)) \/\//, '$1) //')}
console.log(before.table('orders').rowCount, reader.table('orders').rowCount, reader.table('animal').get(3))
await before.close()
await reader.close()
await db.close()
function seen(version: number, time: Date, annotation: string): void {
  if (annotation !== '' && time.getTime() <= Date.now()) console.log(version, annotation)
}
`)
    const { exitCode, stdout, stderr } = await runProgram(file)
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toContain('3 import 17')
    expect(stdout).toContain('added: 2')
    expect(stdout).toContain("0 2 { id: 3, name: 'ant', legs: 6 }")
  })

  test('the mirrored tables as objects are well typed, and show what Postgres has', async () => {
    await using server = await startPostgres()
    const { database } = await server.createDatabase('shop')
    await server.query(
      `CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL); INSERT INTO customer VALUES (1, 'Ada');
       CREATE TABLE quote (id int PRIMARY KEY, creation_date timestamptz NOT NULL, status text,
                           customer int NOT NULL REFERENCES customer);
       INSERT INTO quote VALUES (12345, '2024-02-29 12:00Z', 'open', 1), (12346, '2024-03-01 12:00Z', NULL, 1)`,
      database,
    )
    const { host, port, user } = server.tcpConnection
    const code = runnable(block(readme, 'ts'))
    const file = programFile(code)
    expect(typeErrors(file)).toEqual([])
    const output = await runProgram(file, { DATABASE_URL: `postgres://${user}@${host}:${port}/${database}` })
    expect(output).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: ['Ada', '12345 2024-02-29T12:00:00.000Z open Ada', 'now Cy, at the snapshot Bob', ''].join('\n'),
    })
  })
})

/** Documents whose blocks of TypeScript are one program each, which prints what its comments say. */
const DOCUMENTS = ['classes.md', 'queries.md']

test.each(DOCUMENTS)('docs/%s is one program, well typed, that prints what it says', async (name) => {
  const code = [...readFileSync(join(docs, name), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, block]) => block)
    .join('\n')
  const file = programFile(code.replaceAll(/'(\w+\.heap)'/g, "new URL('$1', import.meta.url).pathname"))
  expect(typeErrors(file)).toEqual([])
  expect(await runProgram(file)).toEqual({ exitCode: 0, stderr: '', stdout: printed(code) })
})

describe('docs/queries.md', () => {
  test('says the limits that the code has', () => {
    const text = readFileSync(join(docs, 'queries.md'), 'utf8').replaceAll(/\s+/g, ' ')
    const { depth, nodes, listedValues, textLength, patternLength } = JSON_LIMITS
    expect(JSON_LIMITS.patterns).toBe(10)
    expect(text).toContain(
      `${depth} levels, ${nodes} values, ${listedValues} of them in one \`$in\`, texts of ${textLength.toLocaleString('en')} characters, ten regular expressions of ${patternLength}.`,
    )
  })
})

/** What stands behind the calls of console.log in a program, and in the comments right below them. */
function printed(code: string): string {
  const lines = code.split('\n')
  return lines
    .flatMap((line, i) => {
      const call = /console\.log\(.*\)(?: \/\/ (.*))?$/.exec(line)
      if (call === null) return []
      if (call[1] !== undefined) return [call[1]]
      const below = lines.slice(i + 1)
      const end = below.findIndex((each) => !/^ *\/\/ /.test(each))
      return below.slice(0, end).map((each) => each.replace(/^ *\/\/ /, ''))
    })
    .map((line) => `${line}\n`)
    .join('')
}

/** The one block of code in this language. */
function block(text: string, language: string): string {
  const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))]
  expect(blocks).toHaveLength(1)
  return blocks[0][1]
}

/** A new file with this program, gone after the test. */
function programFile(code: string): string {
  const runs = join(here, '.run') // inside the repository, where packages are found
  mkdirSync(runs, { recursive: true })
  const folder = mkdtempSync(join(runs, 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'program.ts'), code)
  return join(folder, 'program.ts')
}

/**
 * The README's block with what it leaves to the reader: where file and server are, a commit whose LSN is waited for,
 * and somebody to look at what its expressions give.
 */
function runnable(code: string): string {
  const replaced = [
    ["'shop.heap'", "new URL('shop.heap', import.meta.url).pathname"],
    ["'postgres://localhost/shop'", 'process.env.DATABASE_URL!'],
    ['await shop.waitFor(lsn)', 'const lsn = await rename("Bob")\nawait shop.waitFor(lsn)'],
    ['db.get(quote, 12345)?.customer.name', 'console.log(db.get(quote, 12345)?.customer.name)'],
    ["db.find(quote, { status: 'open' })", "for (const each of db.find(quote, { status: 'open' })) show(each)"],
  ].reduce((text, [from, to]) => {
    expect(text.split(from)).toHaveLength(2)
    return text.replace(from, to)
  }, code)
  return `import pg from 'pg'
import type { RowOf } from 'snapheap'
${replaced}
await shop.waitFor(await rename('Cy'))
console.log('now', db.get(customer, 1)?.name + ',', 'at the snapshot', snap.get(customer, 1)?.name)
await shop.close({ dropSlot: true })
await db.close()

function show({ id, creationDate, status, customer }: RowOf<typeof quote>): void {
  console.log(id, creationDate.toISOString(), status, customer.name)
}

async function rename(name: string): Promise<string> {
  const client = new pg.Client(process.env.DATABASE_URL!)
  await client.connect()
  await client.query('UPDATE customer SET name = $1', [name])
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
  await client.end()
  return rows[0].lsn
}
`
}
