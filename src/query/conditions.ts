import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { brand, isPlainObject, isRegExp } from '../kinds'
import { nearestName } from './nearest'
import { allOf, type Comparison, type Condition, ensureNested, frozen, Parameter, type Path } from './plan'
import type { PathResolver } from './table-paths'

/** What can be asked of a value, by name. */
export const OPERATORS = [
  'eq',
  'ne',
  'in',
  'lt',
  'lte',
  'gt',
  'gte',
  'between',
  'startsWith',
  'contains',
  'matches',
  'terms',
  'isNull',
] as const

export type Operator = (typeof OPERATORS)[number]

const COMPARISONS: ReadonlySet<string> = new Set<Comparison>(['eq', 'ne', 'lt', 'lte', 'gt', 'gte'])

/** A condition of conditions, as `and`, `or` and `not` make them. */
export class Composed {
  constructor(
    readonly kind: 'and' | 'or' | 'not',
    readonly parts: readonly unknown[],
  ) {
    Object.freeze(this)
  }
}
brand(Composed, 'Composed')

/**
 * The condition that an object of property names describes: `{ status: 'open', date: { gte }, author: { name: 'Ada' }
 * }`. Throws `INVALID_ARGUMENT`, naming what is wrong and the nearest right name, and beyond `PLAN_LIMITS.nested`.
 */
export function conditionOf(where: unknown, paths: PathResolver, depth = 0): Condition {
  if (where instanceof Composed) return composed(where, paths, depth)
  if (!isPlainObject(where)) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${show(where)} is no condition on ${paths.label}. Pass an object such as { ${paths.names()[0]}: … }.`,
    )
  }
  return all(where, '', paths, depth)
}

function composed(composition: Composed, paths: PathResolver, depth: number): Condition {
  ensureNested(
    depth,
    `Conditions on ${paths.label}`,
    'Give and(…) and or(…) all of their parts at once, and leave out what not(not(…)) does not change.',
  )
  const { kind } = composition
  const conditions = partsOf(composition).map((part) => conditionOf(part, paths, depth + 1))
  if (kind === 'not') return frozen({ kind: 'not', condition: allOf(conditions) })
  return kind === 'and' ? allOf(conditions) : frozen({ kind: 'or', conditions })
}

/** Conditions that were joined one by one, each with all before it, nest no deeper than those given at once. */
function partsOf(composition: Composed): readonly unknown[] {
  if (composition.kind === 'not') return composition.parts
  const parts: unknown[] = []
  const left: unknown[] = [composition]
  while (left.length > 0) {
    const part = left.pop()
    if (part instanceof Composed && part.kind === composition.kind) {
      for (let i = part.parts.length - 1; i >= 0; i--) left.push(part.parts[i])
    } else parts.push(part)
  }
  return parts
}

function all(where: Readonly<Record<string, unknown>>, prefix: string, paths: PathResolver, depth: number): Condition {
  ensureNested(depth, `Names in a condition on ${paths.label}`, 'Write a long path as one name with dots.')
  const conditions = Object.entries(where).map(([name, value]) => one(prefix + name, value, paths, depth))
  return conditions.length === 1 ? conditions[0] : allOf(conditions)
}

function one(name: string, value: unknown, paths: PathResolver, depth: number): Condition {
  if (value === undefined) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The condition on ${name} is undefined. Pass null to look for no value, or leave it out.`,
      { name },
    )
  }
  if (!isPlainObject(value)) return operation(paths.path(name), 'eq', paths.operand(name, value))
  const names = Object.keys(value)
  if (names.length === 0) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The condition on ${name} is empty. Pass a value or an operator such as { ne: null }, or leave it out.`,
      { name },
    )
  }
  if (names.every((each) => isOperator(each)) && !names.some((each) => isBehind(name, each, paths))) {
    return allOf(
      names.map((each) => operation(paths.path(name), each as Operator, operandFor(each, name, value[each], paths))),
    )
  }
  if (!paths.leadsOn(name) && !paths.holdsDocuments(name)) throw unknownOperator(name, names, paths)
  return all(value, `${name}.`, paths, depth + 1)
}

/** What an operator is given, as values of the column where it compares with those. */
function operandFor(operator: string, name: string, value: unknown, paths: PathResolver): unknown {
  if (COMPARISONS.has(operator)) return paths.operand(name, value)
  if (operator !== 'in' && operator !== 'between') return value
  if (Array.isArray(value)) return value.map((each) => paths.operand(name, each))
  if (!(value instanceof Parameter)) return value
  return new Parameter(value.name, (all) => (Array.isArray(all) ? all.map((each) => paths.operand(name, each)) : all))
}

function isOperator(name: string): boolean {
  return (OPERATORS as readonly string[]).includes(name)
}

/** Whether what a reference leads to has a name, which then is no operator. */
function isBehind(reference: string, name: string, paths: PathResolver): boolean {
  if (!paths.leadsOn(reference)) return false
  try {
    paths.path(`${reference}.${name}`)
    return true
  } catch {
    return false
  }
}

/** What an operator asks of the value at a path. Throws `INVALID_ARGUMENT` for an operand that it cannot take. */
export function operation(path: Path, operator: Operator, operand: unknown): Condition {
  if (COMPARISONS.has(operator)) {
    return frozen({ kind: 'compare', path, operator: operator as Comparison, value: operand })
  }
  switch (operator) {
    case 'in':
      if (!Array.isArray(operand) && !(operand instanceof Parameter))
        throw wrongOperand(path, operator, operand, 'an array')
      return frozen({ kind: 'in', path, values: operand })
    case 'between': {
      if (!Array.isArray(operand) || operand.length !== 2) throw wrongOperand(path, operator, operand, 'two values')
      return allOf([operation(path, 'gte', operand[0]), operation(path, 'lte', operand[1])])
    }
    case 'startsWith':
    case 'contains':
      if (typeof operand !== 'string' && !(operand instanceof Parameter))
        throw wrongOperand(path, operator, operand, 'a text')
      return frozen({ kind: 'text', path, operator, value: operand })
    case 'terms':
      return frozen({ kind: 'terms', path, value: operand })
    case 'matches': {
      if (!isPattern(operand)) throw wrongOperand(path, operator, operand, 'a regular expression')
      return frozen({ kind: 'matches', path, pattern: stateless(operand) })
    }
    default: {
      if (typeof operand !== 'boolean') throw wrongOperand(path, operator, operand, 'true or false')
      return frozen({ kind: 'compare', path, operator: operand ? 'eq' : 'ne', value: null })
    }
  }
}

type Pattern = { test(text: string): boolean; readonly source: string }

function isPattern(value: unknown): value is Pattern {
  return typeof value === 'object' && value !== null && typeof (value as Pattern).test === 'function'
}

/** A regular expression that is global or sticky remembers where it was; a condition must not. */
function stateless(pattern: Pattern): Pattern {
  if (!isRegExp(pattern) || !(pattern.global || pattern.sticky)) return pattern
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
}

function wrongOperand(path: Path, operator: string, operand: unknown, expected: string): SnapheapError {
  return new SnapheapError(
    'INVALID_ARGUMENT',
    `The condition ${operator} on ${path.label} takes ${expected}, not ${show(operand)}. Pass ${expected}.`,
    { name: path.label, operator },
  )
}

function unknownOperator(name: string, names: readonly string[], paths: PathResolver): SnapheapError {
  const wrong = names.find((each) => !isOperator(each)) ?? ''
  const nearest = nearestName(wrong, OPERATORS)
  const remedy = nearest === undefined ? `There are ${OPERATORS.join(', ')}.` : `Did you mean "${nearest}"?`
  return new SnapheapError(
    'INVALID_ARGUMENT',
    `There is no operator "${wrong}" for ${paths.label}.${name}. ${remedy}`,
    {
      name,
      operator: wrong,
    },
  )
}
