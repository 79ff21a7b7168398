import type { RE2JS } from 're2js'
import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isError, isPlainObject } from '../kinds'
import { type ColumnType, scalarOf } from '../table/column-type'
import { type QueryRoot, rowsPlan } from './builder'
import { readsAsText } from './condition'
import { operation } from './conditions'
import { ElementPaths } from './element-paths'
import { JSON_LIMITS } from './json-limits'
import { ensureOperand, type JsonRequest, jsonFault, requestOf, unknownMember, within } from './json-shape'
import { valueFromJson } from './json-values'
import { loadPackage } from './on-demand'
import { BoundPath } from './path'
import type { QueryReader } from './pipeline'
import {
  allOf,
  type Condition,
  type Field,
  frozen,
  type OrderKey,
  type Path,
  type Step,
  type TextPattern,
} from './plan'
import { Query } from './query'
import type { PathResolver } from './table-paths'

const ON_VALUES = [
  '$eq',
  '$ne',
  '$in',
  '$nin',
  '$gt',
  '$gte',
  '$lt',
  '$lte',
  '$not',
  '$exists',
  '$regex',
  '$options',
  '$elemMatch',
]
const ON_CONDITIONS = ['$and', '$or', '$nor', '$not']

/**
 * A query out of JSON data from outside, already parsed: the same plan as the other faces make.
 *
 *     { "from": "post", "where": { "likes": { "$gte": 3 }, "author": { "name": "Ada" } },
 *       "select": { "title": "title", "by": "author.name" }, "sort": [["date", "desc"]], "limit": 20, "skip": 40 }
 *
 * `rootOf` finds the table or class that a name means, and throws for one that means none. Regular expressions are
 * RE2's, which take time in proportion to the text (R. Cox, "Regular Expression Matching Can Be Simple And Fast",
 * 2007). Throws `INVALID_ARGUMENT` naming the position of what is wrong, also for what exceeds `JSON_LIMITS`.
 */
export function jsonQuery<R>(json: unknown, reader: QueryReader, rootOf: (from: string) => QueryRoot): Query<R> {
  const request = requestOf(json)
  const { paths, object } = rootOf(request.from)
  const { where, skip = 0, limit } = request
  const conditions = where === undefined ? [] : [new ConditionReader(reader).all(where, '', 'where', paths)]
  const rows = rowsPlan(paths.table, { conditions, order: orderOf(request.sort, paths), skip, limit })
  const last: Step =
    request.select === undefined ? object : frozen({ kind: 'project', fields: fieldsOf(request.select, paths) })
  return new Query<R>(Object.freeze([...rows, last]), reader)
}

function orderOf(sort: JsonRequest['sort'], paths: PathResolver): OrderKey[] {
  if (Array.isArray(sort)) {
    return sort.map(([name, direction], i) => ({
      path: pathAt(name, within(within('sort', i), 0), paths),
      direction,
    }))
  }
  return Object.entries(sort ?? {}).map(([name, sign]) => ({
    path: pathAt(name, within('sort', name), paths),
    direction: sign === 1 ? 'asc' : 'desc',
  }))
}

function fieldsOf(select: NonNullable<JsonRequest['select']>, paths: PathResolver): Field[] {
  if (Array.isArray(select)) return select.map((name, i) => ({ name, path: pathAt(name, within('select', i), paths) }))
  const fields = Object.entries(select).map(([name, path]) => ({
    name,
    path: pathAt(path, within('select', name), paths),
  }))
  if (fields.length === 0) throw jsonFault('select', 'it names nothing. Name something, or leave it out.')
  return fields
}

/** Reads conditions. Counts the regular expressions of one query. */
class ConditionReader {
  private patterns = 0

  constructor(private readonly reader: QueryReader) {}

  /** What an object of names and of `$and`, `$or`, `$nor`, `$not` asks; the names stand behind `prefix`. */
  all(where: Readonly<Record<string, unknown>>, prefix: string, position: string, paths: PathResolver): Condition {
    const conditions = Object.entries(where).map(([name, value]) => {
      const at = within(position, name)
      return name.startsWith('$')
        ? this.composed(name, value, prefix, at, paths)
        : this.named(prefix + name, value, at, paths)
    })
    return allOf(conditions)
  }

  private composed(operator: string, value: unknown, prefix: string, position: string, paths: PathResolver): Condition {
    if (!ON_CONDITIONS.includes(operator)) {
      const known = prefix === '' ? ON_CONDITIONS : [...ON_CONDITIONS, ...ON_VALUES]
      throw unknownMember(position.slice(0, -operator.length - 1), operator, known)
    }
    ensureOperand(operator, value, position)
    if (operator === '$not') return negated(this.all(value as Record<string, unknown>, prefix, position, paths))
    const conditions = (value as unknown[]).map((each, i) => {
      const at = within(position, i)
      if (!isPlainObject(each)) throw jsonFault(at, `${show(each)} is no condition. Write an object of them.`)
      return this.all(each, prefix, at, paths)
    })
    if (operator === '$and') return allOf(conditions)
    const any = frozen({ kind: 'or', conditions } as const)
    return operator === '$or' ? any : negated(any)
  }

  private named(name: string, value: unknown, position: string, paths: PathResolver): Condition {
    if (!isPlainObject(value)) return this.operation(name, '$eq', value, position, paths)
    pathAt(name, position, paths)
    if (Object.keys(value).length === 0) throw asksNothing(position)
    const hasParts = paths.leadsOn(name) || paths.holdsDocuments(name)
    if (hasParts && !isOfValue(value)) return this.all(value, `${name}.`, position, paths)
    return this.operators(value, position, (each, operand, at) => this.operation(name, each, operand, at, paths))
  }

  /** What an object of operators asks. */
  private operators(
    operators: Readonly<Record<string, unknown>>,
    position: string,
    make: (operator: string, operand: unknown, position: string) => Condition,
  ): Condition {
    const conditions: Condition[] = []
    for (const [operator, operand] of Object.entries(operators)) {
      const at = within(position, operator)
      if (!ON_VALUES.includes(operator)) throw unknownMember(position, operator, ON_VALUES)
      ensureOperand(operator, operand, at)
      if (operator === '$options') {
        if (!Object.hasOwn(operators, '$regex')) throw jsonFault(at, 'there is no $regex beside it. Add one.')
      } else if (operator === '$regex') conditions.push(make(operator, [operand, operators.$options === 'i'], at))
      else conditions.push(make(operator, operand, at))
    }
    return allOf(conditions)
  }

  private operation(name: string, operator: string, operand: unknown, at: string, paths: PathResolver): Condition {
    const path = pathAt(name, at, paths)
    const type = paths instanceof ElementPaths ? paths.type(path) : this.typeOf(path, paths)
    const isStored = paths.reading(name) !== undefined // JSON says such a value as it is stored
    const value = (json: unknown, position = at): unknown => {
      const given = valueFromJson(type, json, position)
      return isStored ? given : paths.operand(name, given)
    }
    const values = (): unknown[] => (operand as unknown[]).map((each, i) => value(each, within(at, i)))
    switch (operator) {
      case '$eq':
        return operation(path, 'eq', value(operand))
      case '$ne':
        return operation(path, 'ne', value(operand))
      case '$in':
        return operation(path, 'in', values())
      case '$nin':
        return negated(operation(path, 'in', values()))
      case '$exists':
        return operation(path, 'isNull', !operand)
      case '$not':
        return negated(
          this.operators(operand as Record<string, unknown>, at, (each, inner, position) =>
            this.operation(name, each, inner, position, paths),
          ),
        )
      case '$regex':
        if (!readsAsText(type, path))
          throw jsonFault(at, `${path.label} is of type ${type}, not text. Ask it otherwise.`)
        return operation(path, 'matches', this.pattern(operand as [string, boolean], at))
      case '$elemMatch':
        return this.element(path, type, operand as Record<string, unknown>, at)
      default:
        if (operand === null) throw jsonFault(at, `nothing is ${operator} null. Write a value, or use $exists.`)
        return operation(path, operator.slice(1) as 'gt', value(operand))
    }
  }

  private element(path: Path, type: ColumnType, test: Record<string, unknown>, position: string): Condition {
    if (!type.endsWith('[]') && type !== 'json' && type !== 'any') {
      throw jsonFault(position, `${path.label} is of type ${type}, not an array. Ask it without $elemMatch.`)
    }
    const paths = new ElementPaths(path.label, scalarOf(type))
    if (Object.keys(test).length === 0) throw asksNothing(position)
    const condition = isOfValue(test)
      ? this.operators(test, position, (each, operand, at) => this.operation('', each, operand, at, paths))
      : this.all(test, '', position, paths)
    return frozen({ kind: 'element', path, test: condition })
  }

  private pattern([source, isCaseless]: [string, boolean], position: string): TextPattern {
    if (++this.patterns > JSON_LIMITS.patterns) {
      throw jsonFault(position, `it has more than ${JSON_LIMITS.patterns} regular expressions. Ask for less at once.`)
    }
    const { RE2JS } = loadPackage('re2js')
    let compiled: RE2JS
    try {
      compiled = RE2JS.compile(source, isCaseless ? RE2JS.CASE_INSENSITIVE : 0)
    } catch (error) {
      const reason = isError(error) ? error.message : String(error)
      throw jsonFault(position, `${show(source)} is no regular expression that RE2 takes (${reason}). Change it.`)
    }
    if (compiled.programSize() > JSON_LIMITS.patternProgram) {
      throw jsonFault(position, `${show(source)} repeats too much. Make its counts smaller.`)
    }
    return { test: (text) => compiled.test(text), source: isCaseless ? `(?i)${source}` : source }
  }

  private typeOf(path: Path, paths: PathResolver): ColumnType {
    const { type } = new BoundPath(this.reader.table(paths.table), path, this.reader).column
    return path.inside.length === 0 ? type : scalarOf(type)
  }
}

/** Whether conditions are about a value itself, not about what has names within it. */
function isOfValue(conditions: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(conditions).some(([name, value]) => {
    return name === '$not' ? isPlainObject(value) && isOfValue(value) : ON_VALUES.includes(name)
  })
}

function asksNothing(position: string): SnapheapError {
  return jsonFault(position, 'it asks nothing. Write a value or an operator, or leave it out.')
}

function negated(condition: Condition): Condition {
  return frozen({ kind: 'not', condition })
}

/** The path that a name means, its faults with their position. */
function pathAt(name: string, position: string, paths: PathResolver): Path {
  try {
    return paths.path(name)
  } catch (error) {
    if (!(error instanceof SnapheapError) || error.code !== 'INVALID_ARGUMENT') throw error
    throw jsonFault(position, error.message, error.details)
  }
}
