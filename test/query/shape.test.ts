import { expect, test } from 'vitest'
import {
  apply,
  columnEqual,
  compose,
  constant,
  getColumn,
  inSub,
  notInSub,
  product,
  rows,
  union,
} from '../../src/functions'
import { columnPath, type Path, type Plan } from '../../src/query/plan'
import { shapeOf } from '../../src/query/shape'

const keyOf = (plan: Plan): string => shapeOf(plan).key

test('plans that differ in values and functions alone have one shape, with these in its slots', () => {
  const a = compose(rows('t'), columnEqual('t', 'c', 1), apply(String), constant(1, 2))
  const b = compose(rows('t'), columnEqual('t', 'c', 'x'), apply(Number), constant())
  expect(keyOf(a)).toBe(keyOf(b))
  expect(shapeOf(a).slots).toEqual([1, String, [1, 2]])
  expect(shapeOf(b).slots).toEqual(['x', Number, []])
})

test('plans that differ in anything else have different shapes', () => {
  const path = (column: string, ...references: Path['references']): Path => ({ ...columnPath(column), references })
  const filter = (given: Path): Plan => [
    { kind: 'filter', condition: { kind: 'compare', path: given, operator: 'eq', value: 1 } },
  ]
  const project = (...fields: [string, Path][]): Plan => [
    { kind: 'project', fields: fields.map(([name, given]) => ({ name, path: given })) },
  ]
  const inList = (...values: unknown[]): Plan => [
    { kind: 'filter', condition: { kind: 'in', path: columnPath('c'), values } },
  ]
  const plans: Plan[] = [
    compose(rows('t'), columnEqual('t', 'c', 1)),
    compose(rows('t'), columnEqual('u', 'c', 1)),
    compose(rows('t'), columnEqual('t', 'd', 1)),
    compose(rows('t'), getColumn('t', 'c')),
    compose(rows('t'), getColumn('u', 'c')),
    compose(rows('t c'), getColumn('', 'c')),
    compose(product(rows('t'), rows('u'))),
    compose(product(compose(rows('t'), rows('u')))),
    compose(union(rows('t'), rows('u'))),
    compose(inSub(rows('t'))),
    compose(notInSub(rows('t'))),
    filter(columnPath('c')),
    filter(columnPath('c', ['a'])),
    filter(columnPath('c', [0])),
    filter(columnPath('c', ['0'])),
    filter(path('c', { column: 'r', table: 't' })),
    filter(path('c', { column: 'r', table: 't', by: 'k' })),
    filter(path('k', { column: 'r', table: 't', by: 'c' })),
    project(['x', path('c')], ['y', path('d')]),
    project(['x', path('c')], ['d', path('y')]),
    project(['x', path('c', { column: 'r', table: 't', by: 'k' })], ['y', path('d')]),
    inList(),
    inList(1),
    inList(1, 2),
  ]
  expect(new Set(plans.map(keyOf)).size).toBe(plans.length)
})
