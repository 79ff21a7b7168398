import { ensure, type Rule } from '../arguments'
import { brand } from '../kinds'

const MILLISECONDS: Rule = [(value) => typeof value === 'number', 'a number of milliseconds since 1970']
const MICROSECONDS: Rule = [
  (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 999,
  'an integer of 0 to 999',
]

/** A Date that also knows the microseconds beyond its milliseconds. Everything that takes a Date takes it. */
export class Timestamp extends Date {
  /** 0..999, to be added to the milliseconds. */
  readonly microseconds: number

  constructor(ms: number, microseconds = 0) {
    ensure('new Timestamp()', ms, MILLISECONDS)
    ensure('new Timestamp()', microseconds, MICROSECONDS)
    super(ms)
    this.microseconds = microseconds
  }

  /** Like Date's, with six digits of fraction. */
  override toISOString(): string {
    return super.toISOString().replace('Z', `${String(this.microseconds).padStart(3, '0')}Z`)
  }

  override toJSON(): string {
    return this.toISOString()
  }

  /** Node's console would leave the microseconds out. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Timestamp ${this.toISOString()}`
  }
}
brand(Timestamp, 'Timestamp')

const DAY_MS = 86_400_000

/** As far from 1970 as a Date can be. */
export const LARGEST_DATE_MS = 8.64e15

/**
 * An instant that no Date holds, for comparing and storing it: it tells its time and its text, and nothing else of a
 * Date. Never handed out, since it is none: such instants read as text.
 */
class FarTimestamp extends Timestamp {
  /** 1000 or more where the milliseconds are odd and no double holds them. */
  override readonly microseconds: number

  constructor(
    private readonly ms: number,
    microseconds: number,
  ) {
    super(Number.NaN)
    this.microseconds = microseconds
  }

  override getTime(): number {
    return this.ms
  }

  override toISOString(): string {
    return formatInstant(this.ms, this.microseconds)
  }
}

const FAR_INSTANT = /^([+-]\d{6}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?:Z|([+-])(\d\d):(\d\d))$/

/**
 * The instant of an ISO text like "+290000-01-01T12:00:00.5Z", undefined for any other text and where a Date can hold
 * it.
 */
export function parseFarInstant(text: string): Timestamp | undefined {
  const parts = FAR_INSTANT.exec(text)
  if (parts === null) return undefined
  const [, day, time, sign, hours, minutes] = parts
  const days = parseDay(day)
  const micros = parseTimeOfDay(time)
  if (days === undefined || micros === undefined) return undefined
  const offset = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
  const timeMs = Math.floor(micros / 1000)
  const dayMs = days * DAY_MS - offset * 60_000
  if (Math.abs(dayMs + timeMs) <= LARGEST_DATE_MS) return undefined
  // beyond year 287,396 a double holds only even milliseconds: the odd one goes to the microseconds
  const odd = Number.isSafeInteger(dayMs + timeMs) ? 0 : timeMs & 1
  return new FarTimestamp(dayMs + (timeMs - odd), (micros % 1000) + odd * 1000)
}

/**
 * Days since 1970-01-01 of an ISO date "2024-02-29" (a sign and up to nine digits for years outside 0..9999), or
 * undefined when it is none. Proleptic Gregorian; year 0 is 1 BC.
 */
export function parseDay(text: string): number | undefined {
  const parts = /^([+-]?\d{4,9})-(\d\d)-(\d\d)$/.exec(text)
  if (parts === null) return undefined
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  return daysFromCivil(year, month, day)
}

/** The ISO date of a number of days since 1970-01-01. */
export function formatDay(days: number): string {
  const { year, month, day } = civilFromDays(days)
  const digits = String(Math.abs(year)).padStart(year < 0 || year > 9999 ? 6 : 4, '0')
  const sign = year < 0 ? '-' : year > 9999 ? '+' : ''
  return `${sign}${digits}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}

/**
 * The ISO text of an instant, which may lie outside what a Date holds (years -271821 to 275760). Microseconds may be
 * 1000 or more.
 */
export function formatInstant(ms: number, microseconds: number): string {
  const days = Math.floor(ms / DAY_MS)
  const time = new Date(ms - days * DAY_MS + Math.floor(microseconds / 1000)).toISOString().slice(10, -1)
  return `${formatDay(days)}${time}${String(microseconds % 1000).padStart(3, '0')}Z`
}

/** Days since 1970-01-01 of a civil date (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146097 + dayOfEra - 719468
}

/** Microseconds since midnight of "HH:MM:SS.ffffff" (seconds optional, 24:00:00 allowed), or undefined. */
export function parseTimeOfDay(text: string): number | undefined {
  const parts = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/.exec(text)
  if (parts === null) return undefined
  const [hours, minutes, seconds] = [Number(parts[1]), Number(parts[2]), Number(parts[3] ?? 0)]
  const micros = ((hours * 60 + minutes) * 60 + seconds) * 1e6 + Number((parts[4] ?? '').padEnd(6, '0'))
  return minutes > 59 || seconds > 59 || micros > 86_400_000_000 ? undefined : micros
}

/** "HH:MM:SS", with six digits of fraction where there is one. */
export function formatTimeOfDay(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  const two = (n: number): string => String(n).padStart(2, '0')
  const whole = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  const fraction = micros % 1e6
  return fraction === 0 ? whole : `${whole}.${String(fraction).padStart(6, '0')}`
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const z = days + 719468
  const era = Math.floor(z / 146097)
  const dayOfEra = z - era * 146097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return { year, month, day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1 }
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}
