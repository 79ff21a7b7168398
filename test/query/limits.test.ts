import { describe, expect, test } from 'vitest'
import {
  apply,
  collect,
  columnEqual,
  compose,
  constant,
  getColumn,
  inSub,
  product,
  type QueryPart,
  query,
  rows,
  union,
} from '../../src/functions'
import { and, not, or } from '../../src/index'
import { PLAN_LIMITS } from '../../src/query/plan'
import { errorOf } from '../support/store'
import { Animal, opened, zoo } from './support/zoo'

const { nested, steps } = PLAN_LIMITS
const DEEP = [nested + 2, 5000, 100_000]

function wrapped<T>(inner: T, depth: number, wrap: (inner: T, i: number) => T): T {
  let all = inner
  for (let i = 0; i < depth; i++) all = wrap(all, i)
  return all
}

const either = (depth: number): object =>
  wrapped<object>({ legs: 3 }, depth, (inner, i) =>
    i % 2 === 0 ? or(inner, { id: 1 }) : and(inner, { id: { gte: 0 } }),
  )
const negated = (depth: number): object => wrapped<object>({ legs: 3 }, depth, (inner) => not(inner))

describe('conditions within each other', () => {
  test.each([
    ['not', negated],
    ['or and and', either],
  ])('by %s are refused beyond the limit, which the message names, where the query is made', async (_kind, make) => {
    const db = await zoo(20)
    const asked = db.query(Animal).where(make(nested) as never)
    expect(asked.count()).toBe(make === either ? 4 : 3)
    expect(asked.explain({ run: true }).results).toBe(asked.count())
    for (const depth of DEEP) {
      const condition = make(depth) as never
      const refused = errorOf(() => db.query(Animal).where(condition))
      expect([refused.code, refused.message]).toEqual([
        'INVALID_ARGUMENT',
        expect.stringMatching(
          /^Conditions on Class Animal are nested more than 200 deep, which is the limit. Give and/,
        ),
      ])
      const records = db.query(Animal).groupBy('legs', (group) => ({ id: group.count() }))
      expect(errorOf(() => records.having(condition)).message).toMatch(
        /^Conditions on The result are nested more than 200/,
      )
      expect(errorOf(() => db.queryJson({ from: 'Animal', where: inJson(depth) })).message).toMatch(
        /more than 24 objects/,
      )
    }
  })

  test('joined one by one are as deep as those joined at once, however many', async () => {
    const db = await zoo(20)
    const all = wrapped<object>({ legs: 3 }, 100_000, (inner) => and(inner))
    expect(
      db
        .query(Animal)
        .where(all as never)
        .count(),
    ).toBe(3)
    const one = (i: number): object => ({ id: 19 - (i % 10) })
    const left = wrapped<object>({ legs: 3 }, 3000, (inner, i) => or(inner, one(i)))
    const right = wrapped<object>({ legs: 3 }, 3000, (inner, i) => or(one(i), inner))
    const flat = or({ legs: 3 }, ...Array.from({ length: 3000 }, (_, i) => one(i)))
    for (const any of [left, right, flat])
      expect(
        db
          .query(Animal)
          .where(any as never)
          .count(),
      ).toBe(11)
  })

  test('by names are refused beyond the limit, and paths with dots are not', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', doc: 'json' } })
      tx.insert('t', { id: 1, doc: wrapped<object>({ a: 7 }, 500, (inner) => ({ a: inner })) })
    })
    const names = (depth: number): object => wrapped<object>({ a: 7 }, depth, (inner) => ({ a: inner }))
    expect(
      db
        .query('t')
        .where({ [`doc${'.a'.repeat(501)}`]: 7 })
        .count(),
    ).toBe(1)
    expect(
      db
        .query('t')
        .where({ doc: names(nested - 2) })
        .count(),
    ).toBe(0)
    for (const depth of DEEP) {
      const { message } = errorOf(() => db.query('t').where({ doc: names(depth) }))
      expect(message).toMatch(
        /^Names in a condition on Table t are nested more than 200 deep.* Write a long path as one name/,
      )
    }
  })
})

test('more conditions side by side than compiled code has a stack for are asked all the same', async () => {
  const db = await zoo(30)
  const many = wrapped<object>({ legs: 3 }, 60_000, (inner, i) =>
    or(inner, i % 2 === 0 ? { id: -i } : { name: `n${i}` }),
  )
  const found = db.query(Animal).where(many as never)
  expect(found.count()).toBe(5)
})

test('plans within each other, and long ones, are refused beyond the limit by what asks them first', async () => {
  const db = await zoo(20)
  const ids: QueryPart = compose(rows('animal'), getColumn('animal', 'id'))
  const wraps: ((inner: QueryPart) => QueryPart)[] = [
    (inner) => union(inner),
    (inner) => product(inner),
    (inner) => compose(ids, inSub(inner)),
  ]
  for (const wrap of wraps) {
    expect(query(db, wrapped(ids, nested, wrap), collect())).toHaveLength(20)
    for (const depth of DEEP) {
      const deep = query(db, wrapped(ids, depth, wrap))
      for (const ask of [() => deep.collect(), () => deep.explain(), () => db.watch(deep, () => undefined)]) {
        expect(errorOf(ask).message).toMatch(/^Plans are nested more than 200 deep, which is the limit/)
      }
    }
  }
  const long = (count: number): QueryPart =>
    compose(...Array.from({ length: count }, () => apply((n: number) => n + 1)))
  expect(query(db, constant(0), long(steps - 1), collect())).toEqual([steps - 1])
  expect(errorOf(() => query(db, constant(0), long(100_000), collect())).message).toMatch(
    /^A query of 100001 steps has more/,
  )
  const filters = Array.from({ length: steps + 1 }, () => columnEqual('animal', 'legs', 3))
  expect(errorOf(() => query(db, rows('animal'), ...filters, collect())).code).toBe('INVALID_ARGUMENT')
})

function inJson(depth: number): object {
  return wrapped<object>({ legs: 3 }, depth, (inner) => ({ $or: [inner] }))
}
