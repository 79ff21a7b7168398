import type { Encoder } from '../value/encoder'
import { daysFromCivil } from '../value/timestamp'
import { unreadable } from './fields'

const MS_PER_DAY = 86_400_000
const COLON = 0x3a
const DASH = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const SPACE = 0x20
const LETTER_C = 0x43

/** Reads the pieces of one ISO date or time; `position` moves along. */
class Reader {
  position = 0
  private bytes: Buffer = Buffer.alloc(0)
  private start = 0
  private end = 0
  private what = ''

  begin(bytes: Buffer, start: number, end: number, what: string): this {
    this.bytes = bytes
    this.position = this.start = start
    this.end = end
    this.what = what
    return this
  }

  get next(): number {
    return this.position < this.end ? this.bytes[this.position]! : -1
  }

  fail(): never {
    throw unreadable(this.bytes, this.start, this.end, this.what)
  }

  expect(byte: number): void {
    if (this.next !== byte) this.fail()
    this.position++
  }

  finish(): void {
    if (this.position !== this.end) this.fail()
  }

  /** Digits up to the next other byte, at least one and at most nine. */
  digits(): number {
    const { bytes, end } = this
    const begin = this.position
    let value = 0
    let position = begin
    for (; position < end; position++) {
      const digit = bytes[position]! - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (position === begin || position - begin > 9) this.fail()
    this.position = position
    return value
  }

  /** `2024-01-31`, as days from 1970-01-01; a trailing ` BC` counts wherever the value ends. */
  date(): number {
    const year = this.digits()
    this.expect(DASH)
    const month = this.digits()
    this.expect(DASH)
    const day = this.digits()
    const isBeforeChrist = this.end - this.position >= 3 && this.bytes[this.end - 1] === LETTER_C
    if (isBeforeChrist) this.end -= 3
    return daysFromCivil(isBeforeChrist ? 1 - year : year, month, day)
  }

  /** `23:59:59.123456`, as microseconds. */
  time(): number {
    const hours = this.digits()
    this.expect(COLON)
    const minutes = this.digits()
    this.expect(COLON)
    let micros = ((hours * 60 + minutes) * 60 + this.digits()) * 1_000_000
    if (this.next === POINT) {
      const begin = ++this.position
      const fraction = this.digits()
      const places = this.position - begin
      if (places > 6) this.fail()
      micros += fraction * POWERS_OF_TEN[6 - places]!
    }
    return micros
  }

  /** `+05:30` or nothing, as seconds east of Greenwich. */
  offset(): number {
    const sign = this.next === PLUS ? 1 : this.next === DASH ? -1 : 0
    if (sign === 0) return 0
    this.position++
    let seconds = this.digits() * 3600
    if (this.next === COLON) {
      this.position++
      seconds += this.digits() * 60
      if (this.next === COLON) {
        this.position++
        seconds += this.digits()
      }
    }
    return sign * seconds
  }
}

const POWERS_OF_TEN = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
const reader = new Reader()

/** `infinity` and `-infinity`: no date, and so a number. Returns whether it was one of them. */
function infinity(bytes: Buffer, start: number, out: Encoder): boolean {
  const isNegative = bytes[start] === DASH
  if (bytes[isNegative ? start + 1 : start] !== 0x69) return false
  out.number(isNegative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY)
  return true
}

/** `timestamp` (taken as UTC) and `timestamptz` in ISO style, exact to the microsecond. */
export function decodeTimestamp(bytes: Buffer, start: number, end: number, out: Encoder): void {
  if (infinity(bytes, start, out)) return
  const text = reader.begin(bytes, start, end, 'a timestamp')
  const days = text.date()
  text.expect(SPACE)
  const micros = text.time()
  const timeMs = Math.floor(micros / 1000)
  const dayMs = days * MS_PER_DAY - text.offset() * 1000
  const ms = dayMs + timeMs
  text.finish()
  // beyond year 287,396 a double holds only even milliseconds: the odd one goes to the microseconds
  if (Number.isSafeInteger(ms)) out.instant(ms, micros % 1000)
  else out.instant(dayMs + (timeMs & ~1), (micros % 1000) + (timeMs & 1) * 1000)
}

/** `date` in ISO style. */
export function decodeDate(bytes: Buffer, start: number, end: number, out: Encoder): void {
  if (infinity(bytes, start, out)) return
  const text = reader.begin(bytes, start, end, 'a date')
  const days = text.date()
  text.finish()
  out.day(days)
}

/** `time`, 24:00:00 included. */
export function decodeTime(bytes: Buffer, start: number, end: number, out: Encoder): void {
  const text = reader.begin(bytes, start, end, 'a time of day')
  const micros = text.time()
  text.finish()
  out.timeOfDay(micros)
}
