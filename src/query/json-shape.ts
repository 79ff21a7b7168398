import type { z } from 'zod'
import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isPlainObject } from '../kinds'
import { JSON_LIMITS } from './json-limits'
import { type JsonSchemas, jsonSchemas } from './json-schemas'
import { nearestName } from './nearest'

/** An error about a query that arrived as JSON. `position` leads to what is wrong: `where.$and[1].likez`. */
export function jsonFault(position: string, problem: string, details: Record<string, unknown> = {}): SnapheapError {
  return new SnapheapError('INVALID_ARGUMENT', `The query is wrong at ${position}: ${problem}`, {
    ...details,
    position,
  })
}

/** The position of a member or an element. */
export function within(position: string, step: string | number): string {
  if (typeof step === 'number') return `${position}[${step}]`
  if (!/^[$\w]+$/.test(step)) return `${position}[${JSON.stringify(step)}]`
  return position === '' ? step : `${position}.${step}`
}

/** A query as it arrives, its conditions not looked into yet. */
export type JsonRequest = z.infer<JsonSchemas['request']>

/** What each member of a query is, in words. */
const EXPECTED: Readonly<Record<string, string>> = {
  from: 'the name of a table or class',
  where: 'an object of conditions such as { "likes": { "$gt": 3 } }',
  select: 'names such as ["title"], or an object of them such as { "author": "author.name" }',
  sort: 'pairs such as [["date", "desc"]], or an object such as { "date": -1 }',
  limit: 'an integer from 0 on',
  skip: 'an integer from 0 on',
}

/**
 * Reads a query's outermost shape. Throws `INVALID_ARGUMENT` for anything else than JSON data of that shape, and beyond
 * the limits.
 */
export function requestOf(json: unknown): JsonRequest {
  ensureBounded(json)
  const { data, error } = jsonSchemas().request.safeParse(json)
  if (data !== undefined) return data
  const issue = error!.issues[0]
  if (issue.code === 'unrecognized_keys') throw unknownMember('', issue.keys[0], Object.keys(EXPECTED))
  const member = issue.path.length === 0 ? '' : String(issue.path[0])
  const position = positionOf(member, (json as Record<string, unknown> | null)?.[member])
  if (member === '')
    throw jsonFault('its beginning', `${show(json)} is no object. Pass one such as { "from": "post" }.`)
  throw jsonFault(position, `expected ${EXPECTED[member]}. Write it so.`)
}

/** The first part that does not fit is what a message should lead to. */
function positionOf(member: string, value: unknown): string {
  const { shape } = jsonSchemas().request
  const schema = shape[member as keyof typeof shape]
  if (typeof value !== 'object' || value === null) return member
  if (Array.isArray(value)) {
    const wrong = value.findIndex((each) => !schema.safeParse([each]).success)
    return wrong < 0 ? member : within(member, wrong)
  }
  const wrong = Object.entries(value).find(([name, each]) => !schema.safeParse({ [name]: each }).success)
  return wrong === undefined ? member : within(member, wrong[0])
}

/** What each operator takes, in words. */
const OPERANDS: Readonly<Record<string, string>> = {
  $and: 'an array of conditions',
  $or: 'an array of conditions',
  $nor: 'an array of conditions',
  $in: `an array of at most ${JSON_LIMITS.listedValues} values`,
  $nin: `an array of at most ${JSON_LIMITS.listedValues} values`,
  $not: 'an object of conditions',
  $elemMatch: 'an object of conditions',
  $exists: 'true or false',
  $regex: `a regular expression of at most ${JSON_LIMITS.patternLength} characters`,
  $options: '"i" or ""',
}

/** Makes sure that an operator got what it takes. Throws `INVALID_ARGUMENT`. */
export function ensureOperand(operator: string, operand: unknown, position: string): void {
  const schema = jsonSchemas().operands[operator]
  if (schema === undefined || schema.safeParse(operand).success) return
  throw jsonFault(position, `${operator} takes ${OPERANDS[operator]}, not ${show(operand)}. Write it so.`)
}

/** The error for a member that there is not, with the nearest that there is. */
export function unknownMember(position: string, wrong: string, names: readonly string[]): SnapheapError {
  const nearest = nearestName(wrong, names)
  const remedy = nearest === undefined ? `There are ${names.join(', ')}.` : `Did you mean "${nearest}"?`
  const what = wrong.startsWith('$') ? 'operator' : 'member'
  return jsonFault(within(position, wrong), `there is no ${what} "${wrong}" here. ${remedy}`, {
    name: wrong,
    ...(nearest === undefined ? {} : { nearest }),
  })
}

/** Throws unless a value is plain JSON data within the limits. What it lets through can be walked by recursion. */
function ensureBounded(json: unknown): void {
  let nodes = 0
  const visit = (value: unknown, position: string, depth: number): void => {
    if (++nodes > JSON_LIMITS.nodes) throw tooMuch(position, `more than ${JSON_LIMITS.nodes} values`)
    if (typeof value === 'string') {
      if (value.length > JSON_LIMITS.textLength)
        throw tooMuch(position, `a text of more than ${JSON_LIMITS.textLength} characters`)
      return
    }
    if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return
    if (typeof value !== 'object' || !(Array.isArray(value) || isPlainObject(value))) {
      throw jsonFault(position || 'its beginning', `${show(value)} is no JSON. Write it as text, or leave it out.`)
    }
    if (depth >= JSON_LIMITS.depth)
      throw tooMuch(position, `more than ${JSON_LIMITS.depth} objects and arrays within each other`)
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) visit(value[i], within(position, i), depth + 1)
      return
    }
    for (const [name, member] of Object.entries(value)) {
      if (name.length > JSON_LIMITS.nameLength)
        throw tooMuch(position, `a name of more than ${JSON_LIMITS.nameLength} characters`)
      if (name === '__proto__') throw jsonFault(within(position, name), 'nothing may have that name. Leave it out.')
      visit(member, within(position, name), depth + 1)
    }
  }
  visit(json, '', 0)
}

function tooMuch(position: string, what: string): SnapheapError {
  return jsonFault(position || 'its beginning', `it has ${what}. Ask for less at once.`)
}
