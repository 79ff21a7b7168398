import { deepStrictEqual } from 'node:assert'
import fc, { type GeneratorValue } from 'fast-check'
import {
  columnEqual,
  columnNotEqual,
  columnSatisfies,
  compose,
  getColumn,
  indexLookup,
  inSub,
  notInSub,
  type QueryPart,
  query,
  rows,
  union,
} from '../../../src/functions'
import {
  and,
  Column,
  type ColumnType,
  Decimal,
  Entity,
  type EntityClass,
  Id,
  type Key,
  not,
  open,
  or,
  Ref,
  Timestamp,
} from '../../../src/index'
import { frozen, type Path, type Step } from '../../../src/query/plan'
import { canonical, exactSum, inOrder, isComparable } from './naive'

/** Values of each type: few, so that questions meet rows. JSON cannot ask for those beyond `asked`. */
const POOLS: Partial<Record<ColumnType, { readonly stored: readonly unknown[]; readonly asked: number }>> = {
  integer: { stored: [-3, 0, 1, 2, 5, 4096, 2 ** 40], asked: 7 },
  number: { stored: [-1.5, 0, 0.5, 2, 1e300, Number.NaN, Number.POSITIVE_INFINITY], asked: 5 },
  string: { stored: ['', 'a', 'ab', 'b', 'é', '\u{1f600}', '\uffee', 'a'.repeat(70)], asked: 8 },
  boolean: { stored: [true, false], asked: 2 },
  timestamp: {
    stored: [new Date(0), new Date(1000), new Timestamp(1000, 5), new Date(-5), Number.POSITIVE_INFINITY],
    asked: 5,
  },
  decimal: { stored: ['1.10', '2.00', '-3.50', '100000000000000000000.00'].map(Decimal.parse), asked: 4 },
  bigint: { stored: [0n, 5n, -1n, 2n ** 70n], asked: 4 },
  day: { stored: ['2024-02-29', '1969-12-31', '-000044-03-15', '+012024-01-01'], asked: 4 },
  time: { stored: ['00:00:00', '10:00:00', '10:00:00.500000'], asked: 3 },
  uuid: { stored: ['c0ffee00-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000001'], asked: 2 },
  json: { stored: [{ a: 1 }, { a: 'x', b: 2 }, [1, 2], 'a', 5, true, { a: null }], asked: 7 },
  any: { stored: [1, 'a', true, new Date(0), { a: 1 }, null], asked: 3 },
  'string[]': { stored: [['a'], ['a', 'b'], []], asked: 3 },
}
const TYPES = Object.keys(POOLS) as ColumnType[]
const UNORDERED: readonly ColumnType[] = ['json', 'any', 'string[]']
const TEXTUAL: readonly ColumnType[] = ['string', 'uuid', 'day', 'time', 'json', 'any']

type Row = Readonly<Record<string, unknown>>

/** A random class with its table: columns "c0", "c1" … and, but for the first, "ref" to the one before. */
interface Made {
  readonly type: EntityClass<{ id: number }>
  readonly className: string
  readonly table: string
  /** The type of its ids: integers are row numbers, all else is looked up in an index. */
  readonly key: 'integer' | 'bigint' | 'string'
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[]
  readonly target: Made | undefined
}

/**
 * What ids are made of; as row numbers they lie on both sides of a block's border, since the code that scans goes block
 * by block.
 */
const IDS = [...Array.from({ length: 30 }, (_, i) => i), ...Array.from({ length: 30 }, (_, i) => 4081 + i)]

interface Leaf {
  readonly kind: 'leaf'
  readonly path: string
  readonly type: ColumnType
  readonly operator: string
  readonly value: unknown
}

/** A condition, free of any face. */
type Asked =
  | Leaf
  | { readonly kind: 'and'; readonly parts: readonly Asked[] }
  | { readonly kind: 'or'; readonly parts: readonly Asked[] }
  | { readonly kind: 'not'; readonly part: Asked }

interface Question {
  readonly of: Made
  readonly asked: Asked | undefined
  readonly order: readonly (readonly [string, 'asc' | 'desc'])[]
  readonly skip: number
  readonly limit: number | undefined
}

type Opened = Awaited<ReturnType<typeof open>>
type Reader = Pick<Opened, 'query' | 'queryJson' | 'table'>

/** Random tables and questions: each asked of every reader by all faces must give what a scan gives. */
export const facesAgree = fc.asyncProperty(fc.gen(), async (gen) => {
  const draw = new Drawing(gen)
  const made = draw.classes()
  const db = await open(undefined, { entities: made.map(({ type }) => type) })
  try {
    db.write((tx) => {
      for (const each of made) for (const row of draw.rowsOf(each)) tx.insert(each.table, row)
    })
    const questions = Array.from({ length: 5 }, () => draw.question(made))
    const snapshot = db.snapshot()
    const before = questions.map((each) => scan(each, snapshot))
    for (const each of questions) ensureAgreed(each, db)
    const change = (tx: Parameters<Parameters<Opened['write']>[0]>[0]): void => {
      for (const each of made) {
        for (const id of draw.ids()) tx.delete(each.table, keyOf(id, each.key))
        for (const row of draw.rowsOf(each)) tx.upsert(each.table, row)
      }
      for (const each of questions) ensureAgreed(each, tx)
    }
    try {
      db.write((tx) => {
        change(tx)
        if (draw.coin()) throw new Error('rolled back')
      })
    } catch (error) {
      if ((error as Error).message !== 'rolled back') throw error
    }
    questions.forEach((each, i) => {
      ensureAgreed(each, db)
      ensureAgreed(each, snapshot)
      deepStrictEqual(scan(each, snapshot), before[i])
    })
    snapshot.close()
    deepStrictEqual(db.check().problems, [])
  } finally {
    await db.close()
  }
})

/** The key that is made of a number. */
function keyOf(id: number, type: ColumnType): Key {
  return type === 'bigint' ? BigInt(id) : type === 'string' ? `key ${id}` : id
}

/** Draws what is random, so that a failing round can be made smaller. */
class Drawing {
  constructor(private readonly gen: GeneratorValue) {}

  nat(max: number): number {
    return this.gen(fc.nat, { max })
  }

  coin(): boolean {
    return this.gen(fc.boolean)
  }

  of<T>(values: readonly T[]): T {
    return values[this.nat(values.length - 1)]
  }

  ids(): number[] {
    return this.gen(fc.uniqueArray, fc.constantFrom(...IDS), { maxLength: 20 }) as number[]
  }

  classes(): Made[] {
    const made: Made[] = []
    for (const className of ['Region', 'Author', 'Post'].slice(0, 2 + this.nat(1))) {
      const target = made.at(-1)
      const type = { [className]: class {} }[className] as unknown as EntityClass<{ id: number }>
      const columns = Array.from({ length: 1 + this.nat(3) }, (_, i) => ({ name: `c${i}`, type: this.of(TYPES) }))
      const prototype = type.prototype as object
      const key = this.of(['integer', 'integer', 'bigint', 'string'] as const)
      Id({ type: key })(prototype, 'id')
      for (const each of columns) {
        const index = each.type !== 'boolean' && this.coin()
        Column({ type: each.type, nullable: true, index })(prototype, each.name)
      }
      if (target !== undefined) Ref(() => target.type, { nullable: true, index: this.coin() })(prototype, 'ref')
      Entity()(type)
      made.push({ type, className, table: className.toLowerCase(), key, columns, target })
    }
    return made
  }

  rowsOf({ key, columns, target }: Made): Row[] {
    return this.ids().map((id) => {
      const row: Record<string, unknown> = { id: keyOf(id, key) }
      for (const { name, type } of columns) row[name] = this.nat(4) === 0 ? null : this.of(POOLS[type]!.stored)
      if (target !== undefined) row.ref = this.nat(3) === 0 ? null : keyOf(this.of(IDS), target.key)
      return row
    })
  }

  question(made: readonly Made[]): Question {
    const of = this.of(made)
    return {
      of,
      asked: this.nat(8) === 0 ? undefined : this.asked(of, 2),
      order: Array.from(
        { length: this.nat(2) },
        () => [this.path(of).path, this.of(['asc', 'desc'] as const)] as const,
      ),
      skip: this.nat(2) === 0 ? this.nat(5) : 0,
      limit: this.coin() ? this.nat(12) : undefined,
    }
  }

  /** A name with the type behind it. */
  path(of: Made): { path: string; type: ColumnType; isKey: boolean } {
    if (of.target !== undefined && this.nat(2) === 0) {
      const { path, ...behind } = this.path(of.target)
      return { path: `ref.${path}`, ...behind }
    }
    if (this.nat(5) === 0) return { path: 'id', type: of.key, isKey: true }
    if (of.target !== undefined && this.nat(5) === 0) return { path: 'ref', type: of.target.key, isKey: true }
    const { name, type } = this.of(of.columns)
    return type === 'json' && this.coin()
      ? { path: `${name}.a`, type: 'any', isKey: false }
      : { path: name, type, isKey: false }
  }

  private asked(of: Made, depth: number): Asked {
    const kind = depth === 0 ? 4 : this.nat(5)
    const parts = (): Asked[] => Array.from({ length: 1 + this.nat(2) }, () => this.asked(of, depth - 1))
    if (kind === 0) return { kind: 'and', parts: parts() }
    if (kind === 1) return { kind: 'or', parts: parts() }
    if (kind === 2) return { kind: 'not', part: this.asked(of, depth - 1) }
    const { path, type, isKey } = this.path(of)
    const value = (): unknown => {
      if (isKey) return keyOf(this.of(IDS), type)
      const { stored, asked } = POOLS[type]!
      return stored[this.nat(asked - 1)]
    }
    const operators = ['eq', 'ne', 'in', 'isNull', 'eq null']
    if (!UNORDERED.includes(type)) operators.push('lt', 'lte', 'gt', 'gte')
    if (TEXTUAL.includes(type)) operators.push('startsWith', 'contains', 'matches')
    const operator = this.of(operators)
    if (operator === 'eq null') return { kind: 'leaf', path, type, operator: 'eq', value: null }
    if (operator === 'isNull') return { kind: 'leaf', path, type, operator, value: this.coin() }
    if (operator === 'in') {
      const values = Array.from({ length: this.nat(3) }, () => (this.nat(5) === 0 ? null : value()))
      return { kind: 'leaf', path, type, operator, value: values }
    }
    const isText = operator === 'startsWith' || operator === 'contains' || operator === 'matches'
    return { kind: 'leaf', path, type, operator, value: isText ? this.of(['', 'a', 'b', '2', 'é']) : value() }
  }
}

// the faces

function ensureAgreed(question: Question, reader: Reader): void {
  const expected = scan(question, reader)
  const built = builderOf(question, reader)
  const json = reader.queryJson(jsonOf(question))
  const composed = query(reader, ...partsOf(question))
  const ids = expected.map(({ id }) => id)
  const context = JSON.stringify(jsonOf(question))
  deepStrictEqual(
    built.collect().map(({ id }) => id),
    ids,
    `builder: ${context}`,
  )
  deepStrictEqual(
    json.collect().map(({ id }) => id),
    ids,
    `JSON: ${context}`,
  )
  deepStrictEqual(composed.collect(), ids, `functions: ${context}`)
  deepStrictEqual([built.count(), json.count(), composed.count()], [ids.length, ids.length, ids.length], context)
  deepStrictEqual([built.first()?.id, json.exists(), composed.first()], [ids[0], ids.length > 0, ids[0]], context)
  const names = ['id', ...question.order.map(([name]) => name)]
  const records = expected.map((row) => names.map((name) => valueAt(row, name, question.of, reader)))
  const listed = (results: readonly Row[]): unknown => results.map((each) => canonical(names.map((name) => each[name])))
  const selected = reader.queryJson({ ...jsonOf(question), select: [...new Set(names)] })
  deepStrictEqual(listed(built.select(...(names as 'id'[])).collect()), records.map(canonical), context)
  deepStrictEqual(listed(selected.collect()), records.map(canonical), context)
  ensureGrouped(question, reader)
  ensurePaged(question, reader)
}

function builderOf(
  { of, asked, order, skip, limit }: Question,
  reader: Reader,
): ReturnType<typeof reader.query<{ id: number }>> {
  let built = reader.query(of.type)
  if (asked !== undefined) built = built.where(whereOf(asked) as never)
  for (const [name, direction] of order) built = built.orderBy(name as 'id', direction)
  if (skip > 0) built = built.skip(skip)
  return limit === undefined ? built : built.limit(limit)
}

function whereOf(asked: Asked): unknown {
  if (asked.kind === 'and') return and(...asked.parts.map(whereOf))
  if (asked.kind === 'or') return or(...asked.parts.map(whereOf))
  if (asked.kind === 'not') return not(whereOf(asked.part))
  const value = asked.operator === 'matches' ? new RegExp(asked.value as string) : asked.value
  return { [asked.path]: { [asked.operator]: value } }
}

function jsonOf({ of, asked, order, skip, limit }: Question): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify({
      from: of.className,
      ...(asked === undefined ? {} : { where: jsonWhere(asked) }),
      ...(order.length === 0 ? {} : { sort: order }),
      ...(skip === 0 ? {} : { skip }),
      ...(limit === undefined ? {} : { limit }),
    }),
  )
}

function jsonWhere(asked: Asked): unknown {
  if (asked.kind === 'and') return { $and: asked.parts.map(jsonWhere) }
  if (asked.kind === 'or') return { $or: asked.parts.map(jsonWhere) }
  if (asked.kind === 'not') {
    const { part } = asked
    if (part.kind !== 'leaf') return { $not: jsonWhere(part) }
    const [[path, inner]] = Object.entries(jsonWhere(part) as Record<string, Record<string, unknown>>)
    return { [path]: part.operator === 'in' ? { $nin: inner.$in } : { $not: inner } }
  }
  const { path, operator, value } = asked
  if (operator === 'isNull') return { [path]: { $exists: !value } }
  if (operator === 'startsWith' || operator === 'contains' || operator === 'matches') {
    return { [path]: { $regex: operator === 'startsWith' ? `^${value as string}` : value } }
  }
  return { [path]: { [`$${operator}`]: Array.isArray(value) ? value.map(written) : written(value) } }
}

/** A value as JSON has it. */
function written(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value === Number.POSITIVE_INFINITY ? 'infinity' : value
}

function partsOf({ of, asked, order, skip, limit }: Question): QueryPart[] {
  const parts: QueryPart[] = [rows(of.table)]
  if (asked !== undefined) parts.push(filterOf(asked, of))
  // what has no function of its own is taken from the builder's plan, whose steps are the same
  return [...parts, ...cutsOf(order, skip, limit, of), getColumn(of.table, 'id')]
}

function cutsOf(order: Question['order'], skip: number, limit: number | undefined, of: Made): Step[] {
  const path = (name: string): Path => {
    const references: { column: string; table: string }[] = []
    const names = name.split('.')
    let at = of
    for (; names[0] === 'ref' && names.length > 1; names.shift()) {
      at = at.target!
      references.push({ column: 'ref', table: at.table })
    }
    return { references, column: names[0], inside: names.slice(1), label: name }
  }
  const steps: Step[] = []
  if (order.length > 0) {
    steps.push(frozen({ kind: 'order', by: order.map(([name, direction]) => ({ path: path(name), direction })) }))
  }
  if (skip > 0) steps.push(frozen({ kind: 'skip', count: skip }))
  if (limit !== undefined) steps.push(frozen({ kind: 'limit', count: limit }))
  return steps
}

/** Steps that let through the rows of a table that fit. */
function filterOf(asked: Asked, of: Made): QueryPart {
  if (asked.kind === 'and') return compose(...asked.parts.map((each) => filterOf(each, of)))
  if (asked.kind === 'or')
    return inSub(union(...asked.parts.map((each) => compose(rows(of.table), filterOf(each, of)))))
  if (asked.kind === 'not') return notInSub(rows(of.table), filterOf(asked.part, of))
  const [name, ...rest] = asked.path.split('.')
  if (name === 'ref' && rest.length > 0) {
    const target = of.target!
    const behind: Asked = { ...asked, path: rest.join('.') }
    const referring = (each: Asked): QueryPart =>
      compose(rows(target.table), filterOf(each, target), getColumn(target.table, 'id'), indexLookup(of.table, 'ref'))
    // what a missing value fits, rows fit that refer to nothing
    return fits(asked, null) ? notInSub(referring({ kind: 'not', part: behind })) : inSub(referring(behind))
  }
  if (rest.length === 0 && asked.operator === 'eq') return columnEqual(of.table, name, asked.value)
  if (rest.length === 0 && asked.operator === 'ne') return columnNotEqual(of.table, name, asked.value)
  return columnSatisfies(of.table, name, (value) => fits(asked, inside(value, rest)))
}

// the naive scan

function scan({ of, asked, order, skip, limit }: Question, reader: Pick<Reader, 'table'>): Row[] {
  const table = reader.table(of.table)
  const all: Row[] = [...table.rows()].map((row) => table.read(row))
  const fitting = all.filter((row) => asked === undefined || isTrue(asked, row, of, reader))
  const sorted = fitting.toSorted((a, b) => {
    for (const [name, direction] of order) {
      const difference = inOrder(valueAt(a, name, of, reader), valueAt(b, name, of, reader))
      if (difference !== 0) return direction === 'asc' ? difference : -difference
    }
    return 0
  })
  return sorted.slice(skip, limit === undefined ? undefined : skip + limit)
}

function valueAt(row: Row, path: string, of: Made, reader: Pick<Reader, 'table'>): unknown {
  const [name, ...rest] = path.split('.')
  if (name !== 'ref' || rest.length === 0) return inside(row[name], rest)
  const other = row.ref === null ? undefined : reader.table(of.target!.table).get(row.ref as Key)
  return other === undefined ? null : valueAt(other, rest.join('.'), of.target!, reader)
}

function inside(value: unknown, names: readonly string[]): unknown {
  let part = value
  for (const name of names) {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, name)) return null
    part = (part as Row)[name]
  }
  return part ?? null
}

function isTrue(asked: Asked, row: Row, of: Made, reader: Pick<Reader, 'table'>): boolean {
  if (asked.kind === 'and') return asked.parts.every((each) => isTrue(each, row, of, reader))
  if (asked.kind === 'or') return asked.parts.some((each) => isTrue(each, row, of, reader))
  if (asked.kind === 'not') return !isTrue(asked.part, row, of, reader)
  return fits(asked, valueAt(row, asked.path, of, reader))
}

function fits({ operator, value: asked }: Leaf, value: unknown): boolean {
  switch (operator) {
    case 'eq':
      return canonical(value) === canonical(asked)
    case 'ne':
      return canonical(value) !== canonical(asked)
    case 'in':
      return (asked as unknown[]).some((each) => canonical(value) === canonical(each))
    case 'isNull':
      return (value === null) === asked
    case 'startsWith':
      return typeof value === 'string' && value.startsWith(asked as string)
    case 'contains':
    case 'matches':
      return typeof value === 'string' && value.includes(asked as string)
  }
  if (!isComparable(value, asked)) return false
  const order = inOrder(value, asked)
  return operator === 'lt' ? order < 0 : operator === 'lte' ? order <= 0 : operator === 'gt' ? order > 0 : order >= 0
}

/** Goes through all pages. Only the builder has them. */
function ensurePaged(question: Question, reader: Reader): void {
  const order = [...question.order, ['id', 'asc'] as const]
  const expected = scan({ ...question, order, skip: 0, limit: undefined }, reader)
  const built = builderOf({ ...question, skip: 0, limit: undefined }, reader)
  const ids: unknown[] = []
  let next: string | undefined
  do {
    const page = built.page(3 + question.skip, next)
    ids.push(...page.items.map(({ id }) => id))
    next = page.next
  } while (next !== undefined)
  deepStrictEqual(
    ids,
    expected.map(({ id }) => id),
    `pages: ${JSON.stringify(jsonOf(question))}`,
  )
}

/** Groups by what the question orders by, and adds up. Only the builder groups. */
function ensureGrouped(question: Question, reader: Reader): void {
  const names = [...new Set(question.order.map(([name]) => name))]
  const measure = question.of.columns[0].name
  const { type } = question.of.columns[0]
  const { of, asked } = question
  const isNumeric = type === 'integer' || type === 'decimal' || type === 'bigint'
  let built = reader.query(of.type)
  if (asked !== undefined) built = built.where(whereOf(asked) as never)
  const records = built
    .groupBy(names as 'id'[], (group) => ({
      rows: group.count(),
      values: group.count(measure as 'id'),
      least: group.min(measure as 'id'),
      most: group.max(measure as 'id'),
      ...(isNumeric ? { sum: group.sum(measure as 'id'), mean: group.avg(measure as 'id') } : {}),
    }))
    .collect() as unknown as Row[]
  const groups = new Map<unknown, { key: unknown[]; rows: Row[] }>()
  for (const row of scan({ of, asked, order: [], skip: 0, limit: undefined }, reader)) {
    const key = names.map((name) => valueAt(row, name, of, reader))
    const group = groups.get(canonical(key)) ?? { key, rows: [] }
    groups.set(canonical(key), group)
    group.rows.push(row)
  }
  if (names.length === 0 && groups.size === 0) groups.set('', { key: [], rows: [] })
  const expected = [...groups.values()].map(({ key, rows: members }) => {
    const values = members.map((row) => row[measure] ?? null).filter((value) => value !== null)
    const [least] = values.toSorted(inOrder)
    const [most] = values.toSorted((a, b) => inOrder(b, a)) // of values that sort alike the one met first
    const sum = isNumeric ? exactSum(values) : 0
    const sums = isNumeric ? [sum, values.length === 0 ? null : sum / values.length] : []
    return canonical([key, members.length, values.length, least ?? null, most ?? null, ...sums])
  })
  const actual = records.map((each) =>
    canonical([
      names.map((name) => each[name]),
      each.rows,
      each.values,
      each.least,
      each.most,
      ...(isNumeric ? [Number(each.sum), each.mean] : []),
    ]),
  )
  deepStrictEqual(actual, expected, `group by ${names.join()}: ${JSON.stringify(jsonOf(question))}`)
}
