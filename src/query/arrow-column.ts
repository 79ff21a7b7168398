import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isBytes, isDate } from '../kinds'
import type { ColumnType } from '../table/column-type'
import { Decimal, Rational } from '../value/decimal'
import { parseDay, parseTimeOfDay, Timestamp } from '../value/timestamp'

/** What is used of the package apache-arrow. */
export interface Arrow {
  readonly Table: new (columns: Readonly<Record<string, unknown>>) => unknown
  readonly Null: new () => unknown
  readonly Float64: new () => unknown
  readonly Int64: new () => unknown
  readonly Int32: new () => unknown
  readonly Bool: new () => unknown
  readonly DateDay: new () => unknown
  readonly TimeMicrosecond: new () => unknown
  readonly TimestampMicrosecond: new (timezone: string) => unknown
  readonly Utf8: new () => unknown
  readonly Binary: new () => unknown
  readonly Dictionary: new (values: unknown, indices: unknown) => unknown
  makeData(of: Readonly<Record<string, unknown>>): unknown
  makeVector(data: unknown): unknown
}

type Kind = 'number' | 'bigint' | 'boolean' | 'instant' | 'day' | 'time' | 'text' | 'json' | 'bytes'
type Storage = Float64Array | BigInt64Array | Int32Array | Uint8Array

const KINDS: Partial<Record<ColumnType, Kind>> = {
  integer: 'number',
  number: 'number',
  bigint: 'bigint',
  boolean: 'boolean',
  timestamp: 'instant',
  day: 'day',
  time: 'time',
  decimal: 'text',
  string: 'text',
  uuid: 'text',
  bytes: 'bytes',
  json: 'json',
}

const STORAGE: Readonly<Record<Kind, new (size: number) => Storage>> = {
  number: Float64Array,
  bigint: BigInt64Array,
  boolean: Uint8Array,
  instant: BigInt64Array,
  day: Int32Array,
  time: BigInt64Array,
  text: Int32Array,
  json: Int32Array,
  bytes: Int32Array,
}

/** The offsets of text and bytes have 31 bits. */
const MOST_BYTES = 2 ** 31 - 1

/** Values of one name on their way to Arrow. The first value decides their type where nothing else does. */
export class ArrowColumn {
  private kind: Kind | undefined
  private values: Storage = new Int32Array(0)
  private validity = new Uint8Array(16)
  private length = 0
  private nulls = 0
  /** Texts and bytes, each different text once. */
  private readonly parts: Uint8Array[] = []
  private readonly texts = new Map<string, number>()

  constructor(
    private readonly name: string,
    type?: ColumnType,
  ) {
    if (type !== undefined && type !== 'any') this.kind = KINDS[type] ?? 'json'
  }

  /**
   * Adds a value at a position from the length on; those in between are missing. Throws `TYPE` for one that does not
   * fit those before.
   */
  add(value: unknown, position: number): void {
    this.fillTo(position)
    if (value === null || value === undefined) {
      this.fillTo(position + 1)
      return
    }
    this.kind ??= kindOf(value)
    const stored = this.storedAs(this.kind, value)
    if (stored === undefined) throw this.misfit(value)
    this.reach(position)
    this.values[position] = stored as never
    this.validity[position >> 3] |= 1 << (position & 7)
    this.length = position + 1
  }

  /** Adds missing values up to a length. */
  fillTo(length: number): void {
    if (length <= this.length) return
    this.reach(length - 1)
    this.nulls += length - this.length
    this.length = length
  }

  vector(arrow: Arrow): unknown {
    const { length, kind } = this
    if (kind === undefined) return arrow.makeVector(arrow.makeData({ type: new arrow.Null(), length }))
    const common = { length, nullCount: this.nulls, nullBitmap: this.validity.subarray(0, (length + 7) >> 3) }
    if (kind === 'bytes') {
      const places = this.values as Int32Array
      const parts = Array.from({ length }, (_, i) => (this.has(i) ? this.parts[places[i]] : new Uint8Array(0)))
      return arrow.makeVector(arrow.makeData({ type: new arrow.Binary(), ...common, ...this.joined(parts) }))
    }
    if (kind === 'text' || kind === 'json') {
      const dictionary = arrow.makeData({
        type: new arrow.Utf8(),
        length: this.parts.length,
        nullCount: 0,
        ...this.joined(this.parts),
      })
      const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())
      const indices = this.values.subarray(0, length)
      return arrow.makeVector(
        arrow.makeData({ type, ...common, data: indices, dictionary: arrow.makeVector(dictionary) }),
      )
    }
    const data = kind === 'boolean' ? this.bits() : this.values.subarray(0, length)
    return arrow.makeVector(arrow.makeData({ type: plainType(kind, arrow), ...common, data }))
  }

  /** What stands for a value; undefined where it is none of the kind. */
  private storedAs(kind: Kind, value: unknown): number | bigint | undefined {
    switch (kind) {
      case 'number':
        return typeof value === 'number' ? value : undefined
      case 'bigint': {
        const integer = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as number) : undefined
        return integer !== undefined && BigInt.asIntN(64, integer) === integer ? integer : undefined
      }
      case 'boolean':
        return typeof value === 'boolean' ? Number(value) : undefined
      case 'instant': {
        if (!isDate(value)) return undefined
        const micros = value instanceof Timestamp ? value.microseconds : 0
        return BigInt(value.getTime()) * 1000n + BigInt(micros)
      }
      case 'day':
        return typeof value === 'string' ? parseDay(value) : undefined
      case 'time': {
        const micros = typeof value === 'string' ? parseTimeOfDay(value) : undefined
        return micros === undefined ? undefined : BigInt(micros)
      }
      case 'text':
        return typeof value === 'string' || isExact(value) ? this.place(String(value)) : undefined
      case 'json':
        return this.place(JSON.stringify(value, plainly))
      case 'bytes':
        return isBytes(value) ? this.parts.push(value) - 1 : undefined
    }
  }

  private place(text: string): number {
    let place = this.texts.get(text)
    if (place === undefined) {
      place = this.parts.push(Buffer.from(text)) - 1
      this.texts.set(text, place)
    }
    return place
  }

  private joined(parts: readonly Uint8Array[]): { valueOffsets: Int32Array; data: Uint8Array } {
    const valueOffsets = new Int32Array(parts.length + 1)
    let size = 0
    for (const [i, part] of parts.entries()) {
      size += part.length
      if (size > MOST_BYTES) {
        throw new SnapheapError(
          'INVALID_ARGUMENT',
          `The values of ${this.name} take more than 2 GiB, which is as much as a column of Arrow holds. Ask for ` +
            'fewer rows at a time.',
          { name: this.name },
        )
      }
      valueOffsets[i + 1] = size
    }
    return { valueOffsets, data: Buffer.concat(parts, size) }
  }

  private bits(): Uint8Array {
    const bits = new Uint8Array((this.length + 7) >> 3)
    for (let i = 0; i < this.length; i++) if (this.values[i] === 1) bits[i >> 3] |= 1 << (i & 7)
    return bits
  }

  private has(position: number): boolean {
    return (this.validity[position >> 3] & (1 << (position & 7))) !== 0
  }

  private reach(position: number): void {
    let size = Math.max(128, this.validity.length * 8)
    while (size <= position) size *= 2
    if (size > this.validity.length * 8) this.validity = grown(this.validity, size / 8, Uint8Array)
    if (this.kind !== undefined && this.values.length < size) {
      this.values = grown(this.values, size, STORAGE[this.kind])
    }
  }

  private misfit(value: unknown): SnapheapError {
    const remedy = typeof value === 'bigint' ? 'It holds 64 bits.' : 'Leave such values out, or make them alike.'
    return new SnapheapError(
      'TYPE',
      `${show(value)} does not fit the column ${this.name}, which Arrow gets as ${this.kind}. ${remedy}`,
      { name: this.name },
    )
  }
}

function grown<S extends Storage>(values: Storage, size: number, make: new (size: number) => S): S {
  const larger = new make(size)
  if (values.length > 0) larger.set(values as never)
  return larger
}

function plainType(kind: Kind, arrow: Arrow): unknown {
  switch (kind) {
    case 'bigint':
      return new arrow.Int64()
    case 'boolean':
      return new arrow.Bool()
    case 'instant':
      return new arrow.TimestampMicrosecond('UTC')
    case 'day':
      return new arrow.DateDay()
    case 'time':
      return new arrow.TimeMicrosecond()
    default:
      return new arrow.Float64()
  }
}

function kindOf(value: unknown): Kind {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return typeof value as Kind
  if (typeof value === 'string' || isExact(value)) return 'text'
  if (isDate(value)) return 'instant'
  return isBytes(value) ? 'bytes' : 'json'
}

function isExact(value: unknown): boolean {
  return value instanceof Decimal || value instanceof Rational
}

/** What JSON has no form for, as text. */
function plainly(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint' || isExact(value)) return String(value)
  return isBytes(value) ? Buffer.from(value).toString('base64') : value
}
