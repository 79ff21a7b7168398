import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Database, defineIndexType, type IndexType, open } from '../../src/index'
import { runProgram } from '../support/program'
import { errorOf, temporaryPath } from '../support/store'

const letters = defineIndexType({
  name: 'letters',
  terms: (value) => String(value),
  asked: (value) => String(value).trim(),
})
const failing = defineIndexType({
  name: 'failing',
  terms: (value) => {
    if (value === 'wrong') throw new RangeError('cannot say')
    return (value === 'number' ? [1] : [value]) as string[]
  },
})
const long = defineIndexType({ name: 'long', terms: (value) => [`a term of more than six bytes: ${value}`, ''] })

type Body = string | null
const anyBody: fc.Arbitrary<Body> = fc.oneof(
  fc.constant(null),
  fc.constantFrom('', 'abc', 'cba', 'aab', 'xyz', 'a long text, with many letters', 'é😀'),
  fc.string({ maxLength: 4 }),
)
const anyId = fc.integer({ min: 0, max: 30 })
const anyStep = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'many', 'delete', 'delete', 'rebuild', 'truncate', 'abort'),
  id: anyId,
  ids: fc.uniqueArray(anyId, { maxLength: 9 }),
  body: anyBody,
})
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never
const INDEX = { name: 'search', columns: ['body'], kind: 'letters' }

async function pages(kind: IndexType = letters): Promise<Database> {
  const db = await open()
  db.write((tx) => {
    const columns = { id: 'integer', body: { type: 'string', nullable: true } } as const
    tx.createTable('page', { key: 'id', columns, indexes: [{ ...INDEX, kind: kind.name }] })
  })
  return db
}

function change(db: Database, { kind, id, ids, body }: Step, model: Map<number, Body>): void {
  db.write((tx) => {
    switch (kind) {
      case 'put':
        tx.upsert('page', { id, body })
        model.set(id, body)
        return
      case 'many': {
        const made = ids.filter((each) => !model.has(each))
        for (const each of made) model.set(each, body)
        tx.insertMany(
          'page',
          made.map((each) => ({ id: each, body })),
        )
        return
      }
      case 'delete':
        if (model.delete(id)) tx.delete('page', id)
        return
      case 'rebuild':
        tx.dropIndex('page', 'search')
        tx.addIndex('page', INDEX)
        return
      case 'truncate':
        tx.truncate('page')
        model.clear()
        return
      default:
        tx.upsert('page', { id, body })
        throw new Error('abort')
    }
  })
}

describe('an index by terms', () => {
  test('finds the rows that a look at all values finds, whatever was done to them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { maxLength: 25 }),
        fc.array(fc.string({ maxLength: 2 })),
        async (steps, asked) => {
          const db = await pages()
          const model = new Map<number, Body>()
          for (const step of steps) {
            if (step.kind === 'abort') expect(() => change(db, step, model)).toThrow('abort')
            else change(db, step, model)
          }
          for (const text of ['a', 'ab', 'é', '😀', ' ', '', ...asked]) {
            const query = db.query('page').where({ body: { terms: text } })
            const terms = [...text.trim()]
            const fits = (body: Body): boolean => body !== null && terms.every((term) => [...body].includes(term))
            const expected = [...model].filter(([, body]) => terms.length > 0 && fits(body)).map(([id]) => id)
            expect(query.values('id').collect().sort(byNumber)).toEqual(expected.sort(byNumber))
            expect(query.count()).toBe(expected.length)
            expect(query.where({ id: { ne: -1 } }).count()).toBe(expected.length)
          }
          expect(db.check().problems).toEqual([])
          await db.close()
        },
      ),
      { seed: 20240229, numRuns: 60 },
    )
  })

  test('is chosen by how few rows it finds, and checked row by row where another finds fewer', async () => {
    const db = await pages()
    db.write((tx) => {
      for (let id = 0; id < 400; id++) tx.insert('page', { id, body: id % 40 === 0 ? 'xy' : 'x' })
    })
    const chosen = (condition: object): unknown =>
      db.query('page').where(condition).explain({ run: true }).steps[0].chosen
    expect(chosen({ body: { terms: 'yx' } })).toBe('letters index page.search')
    expect(chosen({ body: { terms: 'y' }, id: 80 })).toBe('key page.id')
    expect(
      db
        .query('page')
        .where({ body: { terms: 'y' }, id: { in: [80, 81] } })
        .values('id')
        .collect(),
    ).toEqual([80])
    await db.close()
  })

  test('is built beside commits, and then has what was committed meanwhile', async () => {
    const db = await open()
    db.write((tx) => {
      tx.createTable('page', { key: 'id', columns: { id: 'integer', body: 'string' } })
      for (let id = 0; id < 5000; id++) tx.insert('page', { id, body: `${id % 7}` })
    })
    const building = db.buildIndex('page', INDEX)
    for (let id = 0; id < 5000; id += 100) {
      await new Promise((resolve) => setImmediate(resolve))
      db.write((tx) => tx.update('page', id, { body: 'z' }))
    }
    await building
    expect(
      db
        .query('page')
        .where({ body: { terms: 'z' } })
        .count(),
    ).toBe(50)
    expect(db.check().problems).toEqual([])
    await db.close()
  })

  test('keeps terms of any length, of rows that fulfil its condition', async () => {
    const db = await open()
    db.write((tx) => {
      const columns = { id: 'integer', body: 'integer' } as const
      const where = { id: 2 }
      tx.createTable('page', { key: 'id', columns, indexes: [{ ...INDEX, kind: long.name, where }] })
      for (let id = 0; id < 5; id++) tx.insert('page', { id, body: id % 2 })
      tx.update('page', 2, { body: 5 })
    })
    expect(
      db
        .query('page')
        .where({ body: { terms: 1 } })
        .values('id')
        .collect(),
    ).toEqual([1, 3])
    expect(db.check().problems).toEqual([])
    await db.close()
  })

  test('of which the type fails refuses the row, with nothing changed', async () => {
    const db = await pages(failing)
    db.write((tx) => tx.insert('page', { id: 1, body: 'right' }))
    for (const body of ['wrong', 'number']) {
      db.write((tx) => {
        const message =
          /^Index page.search cannot take the terms of "(wrong|number)": .*Correct terms of the index type/
        expect(errorOf(() => tx.insert('page', { id: 2, body }))).toMatchObject({
          code: 'TYPE',
          message: expect.stringMatching(message),
        })
        expect(errorOf(() => tx.update('page', 1, { body })).code).toBe('TYPE')
        expect(
          errorOf(() =>
            tx.insertMany('page', [
              { id: 3, body: 'x' },
              { id: 4, body },
            ]),
          ).code,
        ).toBe('TYPE')
      })
    }
    expect(db.query('page').collect()).toEqual([{ id: 1, body: 'right' }])
    expect(db.check().problems).toEqual([])
    await db.close()
  })

  test('of a type that a process does not know lets it read, and write to other tables alone', async () => {
    const path = temporaryPath()
    const program = fileURLToPath(new URL('support/terms-program.ts', import.meta.url))
    expect(await runProgram(program, { HEAP_PATH: path })).toEqual({ exitCode: 0, stdout: '1\n', stderr: '' })
    const db = await open(path)
    expect(db.query('page').where({ id: 1 }).first()).toEqual({ id: 1, body: 'one term and another' })
    const unknown = {
      code: 'SCHEMA',
      message:
        'Index page.search is of the type "only there", which this process does not know. Define it with defineIndexType before ' +
        'you write to the table or ask by its terms, or drop the index.',
    }
    expect(
      errorOf(() =>
        db
          .query('page')
          .where({ body: { terms: 'one' } })
          .count(),
      ),
    ).toMatchObject(unknown)
    const writes = ['insert', 'update', 'delete', 'truncate', 'insertMany'] as const
    for (const write of writes) {
      db.write((tx) => {
        const given = {
          insert: [{ id: 2, body: '' }],
          update: [1, { body: '' }],
          delete: [1],
          truncate: [],
          insertMany: [[{ id: 2, body: '' }]],
        }
        const call = tx[write] as (...all: unknown[]) => unknown
        expect(errorOf(() => call.call(tx, 'page', ...given[write]))).toMatchObject(unknown)
      })
    }
    expect(db.check().problems).toEqual([])
    db.write((tx) => {
      tx.createTable('other', { key: 'id', columns: { id: 'integer' } })
      tx.insert('other', { id: 1 })
      tx.dropIndex('page', 'search')
      tx.insert('page', { id: 2, body: 'more' })
    })
    expect(db.check().problems).toEqual([])
    await db.close()
  })

  test('is refused where it cannot be, and asked for in vain where there is none', async () => {
    const db = await pages()
    const invalid = (index: object): string =>
      db.write((tx) => errorOf(() => tx.addIndex('page', index as never)).message)
    expect(invalid({ columns: ['body'], kind: 'letter' })).toMatch(/unknown kind letter/)
    expect(invalid({ name: 'b', columns: ['body', 'id'], kind: 'letters' })).toMatch(/one column and is not unique/)
    expect(invalid({ name: 'b', columns: ['body'], kind: 'letters', unique: true })).toMatch(
      /one column and is not unique/,
    )
    expect(invalid({ name: 'b', columns: ['body'], kind: 'long' })).toMatch(/has an index by terms/)
    expect(
      errorOf(() =>
        db
          .query('page')
          .where({ id: { terms: 1 } })
          .count(),
      ),
    ).toMatchObject({ code: 'NOT_FOUND', message: expect.stringMatching(/^page.id has no index by terms/) })
    expect(errorOf(() => defineIndexType({ ...letters })).code).toBe('EXISTS')
    expect(errorOf(() => defineIndexType({ name: 'hash', terms: () => [] })).code).toBe('EXISTS')
    await db.close()
  })
})

function byNumber(a: unknown, b: unknown): number {
  return (a as number) - (b as number)
}
