import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transformSync } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleProgram, type Output, runFile } from '../support/program'

const here = dirname(fileURLToPath(import.meta.url))
let folder: string
let library: string

beforeAll(async () => {
  const runs = join(here, '..', '.run') // inside the repository, where packages are found
  mkdirSync(runs, { recursive: true })
  folder = mkdtempSync(join(runs, 'dialects-'))
  const entry = join(folder, 'library.ts')
  writeFileSync(entry, `export * from ${JSON.stringify(join(here, '../../src/index'))}\n`)
  library = pathToFileURL((await bundleProgram(entry)).bundle).href
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { ES2015, ES2022 } = ts.ScriptTarget
const byTypescript = (options: ts.CompilerOptions) => (source: string) =>
  ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ES2022, ...options } })
    .outputText
const byEsbuild = (compilerOptions: object, target: string) => (source: string) =>
  transformSync(source, {
    loader: 'ts',
    format: 'esm',
    target,
    supported: { 'top-level-await': true },
    tsconfigRaw: { compilerOptions },
  }).code

const LEGACY = { experimentalDecorators: true }
type Compile = (source: string) => string
const DIALECTS: Readonly<Record<string, Compile>> = {
  'TypeScript, legacy decorators with metadata': byTypescript({ ...LEGACY, emitDecoratorMetadata: true }),
  'TypeScript, legacy decorators without metadata, fields assigned': byTypescript({
    ...LEGACY,
    useDefineForClassFields: false,
  }),
  'TypeScript, legacy decorators without metadata, fields defined': byTypescript({
    ...LEGACY,
    useDefineForClassFields: true,
  }),
  'TypeScript, standard decorators': byTypescript({}),
  'TypeScript, standard decorators, fields assigned': byTypescript({ useDefineForClassFields: false }),
  'TypeScript, standard decorators, target ES2015': byTypescript({ target: ES2015 }),
  'esbuild, standard decorators': byEsbuild({}, 'es2022'),
  'esbuild, standard decorators, target ES2020': byEsbuild({}, 'es2020'),
  'esbuild, legacy decorators': byEsbuild(LEGACY, 'es2022'),
  'esbuild, legacy decorators, fields defined': byEsbuild({ ...LEGACY, useDefineForClassFields: true }, 'es2022'),
  'esbuild, legacy decorators, target ES2020': byEsbuild(LEGACY, 'es2020'),
}

/** Runs a program, compiled so. */
async function runAs(compile: Compile, source: string): Promise<Output> {
  const file = join(mkdtempSync(join(folder, 'program-')), 'program.mjs')
  writeFileSync(file, compile(source).replaceAll(/(['"])snapheap\1/g, JSON.stringify(library)))
  return runFile(file)
}

/** Nothing but decorators says what these properties are. */
const SHOP = `
import { Column, type Default, Entity, Id, Many, open, Ref, table, text, type Reference } from 'snapheap'

class Named {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'string' }) name!: string
}

@Entity()
class Customer extends Named {
  static count = 0
  @Column({ type: 'integer', default: 1 }) visits!: Default<number>
  @Many(() => Quote, (quote) => quote.customer) quotes!: Many<Quote>
  static also = Customer.count

  // a class that is made while another one is
  static inner = (() => {
    @Entity()
    class Inner {
      @Id({ type: 'string' }) key!: string
    }
    return Inner
  })()

  get isLoyal(): boolean {
    return this.visits > 2
  }
}

@Entity({ name: 'quotes' })
class Quote extends Named {
  @Column({ enum: ['open', 'closed'] }) status!: 'open' | 'closed'
  @Ref(() => Customer, { onDelete: 'cascade' }) customer!: Reference<Customer>
  @Column({ type: 'timestamp', nullable: true }) closedAt!: Date | null
}

@Entity()
class BigQuote extends Quote {
  @Column({ type: 'bigint' }) amount!: bigint
}

const note = table('note', { id: text().key() })
class Note extends note {
  @Column({ type: 'string', nullable: true }) title!: string | null
}

const db = await open(undefined, { entities: [Customer, Quote, BigQuote, Customer.inner, Note] })
db.write((tx) => {
  const ann = tx.insert(Customer, { id: 1, name: 'Ann' })
  tx.insert(Quote, { id: 1, name: 'roof', status: 'open', customer: ann })
  tx.insert(BigQuote, { id: 2, name: 'house', status: 'open', customer: 1, amount: 5n })
  tx.insert(Customer.inner, { key: 'k' })
  tx.insert(Note, { id: 'n', title: 'x' })
})
const ann = db.get(Customer, 1)!
db.write(() => void (ann.visits = 3))
console.log(ann.name, ann.isLoyal, [...ann.quotes].map((each) => each.constructor === BigQuote))
console.log(JSON.stringify(db.find(Quote, { status: 'open' })[0]), db.get(BigQuote, 2)!.amount, db.get(Note, 'n')!.title)
for (const name of db.tableNames) console.log(name, ...db.table(name).columns.map((each) => each.name + ':' + each.type))
await db.close()
`
const SHOP_PRINTS = `Ann true [ false, true ]
{"id":1,"name":"roof","status":"open","customer":1,"closedAt":null} 5n x
customer id:integer name:string visits:integer
quotes id:integer name:string status:string customer:integer closed_at:timestamp
big_quote id:integer amount:bigint
inner key:string
note id:string title:string
`

describe.each(Object.entries(DIALECTS))('%s', (_, compile) => {
  test('classes whose decorators say every type work', async () => {
    expect(await runAs(compile, SHOP)).toEqual({ exitCode: 0, stdout: SHOP_PRINTS, stderr: '' })
  })

  test('a value that a field would be initialized with is refused, not ignored', async () => {
    const { stdout } = await runAs(
      compile,
      `import { Column, Entity, Id, open } from 'snapheap'
@Entity()
class Quote {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'string' }) status = 'open'
}
await open(undefined, { entities: [Quote] }).catch((error) => console.log(error.code, error.message))
`,
    )
    expect(stdout).toMatch(/^SCHEMA Quote\.status has the initial value "open", .*default/)
  })
})

describe.each(Object.entries(DIALECTS).filter(([name]) => !name.endsWith('with metadata')))('%s', (_, compile) => {
  test('a type that nothing tells is refused, with what tells it', async () => {
    const { stdout, stderr } = await runAs(
      compile,
      `import { Column, Entity, Id, open } from 'snapheap'
@Entity()
class Quote {
  @Id({ type: 'integer' }) id!: number
  @Column() status!: string
}
await open(undefined, { entities: [Quote] }).catch((error) => console.log(error.code, error.message))
`,
    )
    expect([stdout, stderr]).toEqual([
      'SCHEMA Quote.status has no type metadata: the compiler wrote no types down. Say ' +
        "@Column({ type: 'string' }) or the like, define the table with table(), or compile with " +
        '"experimentalDecorators": true and "emitDecoratorMetadata": true.\n',
      '',
    ])
  })
})

describe.each(Object.entries(DIALECTS).filter(([name]) => name.includes('standard')))('%s', (_, compile) => {
  test('accessor fields are properties as any', async () => {
    const source = `import { Column, Entity, Id, open } from 'snapheap'
@Entity()
class Quote {
  @Id({ type: 'integer' }) accessor id!: number
  @Column({ type: 'string' }) accessor status!: string
}
@Entity()
class Wrong {
  @Id({ type: 'integer' }) accessor id = 5
}
const db = await open(undefined, { entities: [Quote] })
const quote = db.write((tx) => tx.insert(Quote, { id: 1, status: 'open' }))
db.write(() => void (quote.status += '!'))
console.log(quote.id, db.get(Quote, 1)!.status, JSON.stringify(quote))
await db.close()
await open(undefined, { entities: [Wrong] }).catch((error) => console.log(error.message.split(',')[0]))
`
    expect(await runAs(compile, source)).toEqual({
      exitCode: 0,
      stdout: '1 open! {"id":1,"status":"open!"}\nWrong.id has the initial value 5\n',
      stderr: '',
    })
  })
})

test('types that the compiler writes down need not be said', async () => {
  const source = `import { Column, Entity, Id, open } from 'snapheap'
@Entity()
class Quote {
  @Id() id!: number
  @Column() status!: string
  @Column() made!: Date
}
const db = await open(undefined, { entities: [Quote] })
console.log(db.table('quote').columns.map((each) => each.type))
await db.close()
`
  const { stdout } = await runAs(DIALECTS['TypeScript, legacy decorators with metadata'], source)
  expect(stdout).toBe("[ 'integer', 'string', 'timestamp' ]\n")
})

test('tables need no compiler: nothing but their types is taken out', async () => {
  const source = `import { integer, many, open, ref, table, text } from 'snapheap'
const customer = table('customer', { id: integer().key(), get quotes() { return many(() => Quote, (quote) => quote.customer) } })
class Quote extends table('quote', { id: integer().key(), status: text(), customer: ref(() => customer) }) {
  get isOpen(): boolean { return this.status === 'open' }
}
const db = await open(undefined, { entities: [customer, Quote] })
db.write((tx) => tx.insert(Quote, { id: 1, status: 'open', customer: tx.insert(customer, { id: 1 }) }))
console.log(db.get(customer, 1)!.quotes.at(0)!.isOpen)
await db.close()
`
  const erase: Compile = (text) => text.replaceAll(/: boolean|!(?=\.)/g, '')
  expect(await runAs(erase, source)).toEqual({ exitCode: 0, stdout: 'true\n', stderr: '' })
})
