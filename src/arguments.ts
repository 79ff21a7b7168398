import { SnapheapError } from './errors'
import { isBytes, isDate } from './kinds'

/** What is asked of an argument, and what a message says to pass. */
export type Rule = readonly [isMet: (value: unknown) => boolean, expected: string]

export const BOOLEAN: Rule = [(value) => typeof value === 'boolean', 'true or false']
export const FUNCTION: Rule = [(value) => typeof value === 'function', 'a function']
export const TEXT: Rule = [(value) => typeof value === 'string', 'a string']
export const NAME: Rule = [(value) => typeof value === 'string' && value !== '', 'a string that is not empty']
export const PATH: Rule = [(value) => typeof value === 'string' && value !== '', 'the name of a file']
export const RECORD: Rule = [isRecord, 'an object, such as { name: value }']
const OPTIONS: Rule = [isRecord, 'an object of options']
export const SIZE_BYTES: Rule = [(value) => typeof value === 'number' && value > 0, 'a number of bytes above 0']

/** A timer set to anything longer would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
export const DURATION_MS: Rule = [
  (value) => typeof value === 'number' && value >= 0 && value <= LONGEST_TIMER_MS,
  `a number of milliseconds from 0 to ${LONGEST_TIMER_MS}`,
]

/** Throws `INVALID_ARGUMENT` unless an argument of `called`, such as `db.write()`, meets the rule. */
export function ensure(called: string, value: unknown, [isMet, expected]: Rule): void {
  if (isMet(value)) return
  throw new SnapheapError('INVALID_ARGUMENT', `${called} expects ${expected}, got ${show(value)}.`)
}

/** The same for an object of options: each option must be in `rules` and meet its rule. */
export function ensureOptions(called: string, options: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (!isRecord(options)) ensure(called, options, OPTIONS)
  for (const name of Object.keys(options as object)) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(', ')
      throw new SnapheapError('INVALID_ARGUMENT', `${called} has no option "${name}". Its options are ${known}.`)
    }
    const value = (options as Record<string, unknown>)[name]
    const rule = rules[name]
    if (value !== undefined && !rule[0](value)) ensure(called, value, [rule[0], `${rule[1]} as option "${name}"`])
  }
}

/** Whether it is an object with members by name. */
export function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value as a message shows it: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function' || typeof value === 'symbol') return String(value).slice(0, 60)
  if (isDate(value)) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `Date ${value.toISOString()}`
  if (isBytes(value)) return `${value.length} bytes`
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    text = undefined
  }
  if (text === undefined && typeof value === 'object') return Object.prototype.toString.call(value)
  if (text === undefined || typeof value === 'number') return String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
