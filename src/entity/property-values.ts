import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isError } from '../kinds'
import { nearestName } from '../query/nearest'
import type { ColumnType } from '../table/column-type'
import type { ColumnOptions } from './class-definition'
import type { EntityMapping } from './mapping'

/** How a type of the user's is kept in a column: values other than null go in by `encode` and come out by `decode`. */
export interface Codec<V, S> {
  /** The value as its column holds it: the same for equal values, so that they can be looked up. */
  encode(value: V): S
  decode(stored: S): V
}

/** A codec of whatever types. */
export type AnyCodec = { encode(value: never): unknown; decode(stored: never): unknown }

/** What stands between the values of a property and those of its column. */
export class PropertyValues {
  constructor(
    private readonly owner: string,
    /** The values that an enum allows; undefined where it is none. */
    private readonly allowed: readonly unknown[] | undefined,
    private readonly codec: AnyCodec | undefined,
  ) {}

  /** Whether values read differently from how they are stored. */
  get isConverted(): boolean {
    return this.codec !== undefined
  }

  /** The value as its column holds it. Throws `TYPE`. */
  stored(value: unknown): unknown {
    if (value === null || value === undefined) return value
    if (this.allowed !== undefined) this.ensureAllowed(value, this.allowed)
    return this.codec === undefined ? value : this.convert('encode', value)
  }

  /** What its column holds as a value of the property. Throws `TYPE`. */
  read(stored: unknown): unknown {
    if (stored === null || stored === undefined || this.codec === undefined) return stored
    return this.convert('decode', stored)
  }

  private convert(way: 'encode' | 'decode', value: unknown): unknown {
    try {
      return this.codec![way](value as never)
    } catch (cause) {
      const what = isError(cause) ? cause.message : show(cause)
      throw new SnapheapError(
        'TYPE',
        `The codec of ${this.owner} cannot ${way} ${show(value)}: ${what}. Pass a value that it takes, or mend ` +
          `its ${way}.`,
        { property: this.owner },
        cause,
      )
    }
  }

  private ensureAllowed(value: unknown, allowed: readonly unknown[]): void {
    const wrong = (Array.isArray(value) ? value : [value]).find((each) => each !== null && !allowed.includes(each))
    if (wrong === undefined) return
    const nearest = nearestName(String(wrong), allowed.map(String))
    const remedy = nearest === undefined ? 'Pass one of them.' : `Did you mean ${show(nearest)}?`
    throw new SnapheapError(
      'TYPE',
      `${this.owner} is one of ${allowed.map(show).join(', ')}, not ${show(wrong)}. ${remedy}`,
      { property: this.owner },
    )
  }
}

/**
 * The values of a TypeScript enum, or of an array or object of values. A number's name, which such an enum has too, is
 * none.
 */
export function enumValues(given: NonNullable<ColumnOptions['enum']>): readonly unknown[] {
  if (Array.isArray(given)) return given
  const names = Object.keys(given).filter((name) => !/^-?\d+(\.\d+)?$/.test(name))
  return names.map((name) => (given as Readonly<Record<string, unknown>>)[name])
}

/** The type of a column that holds these values, undefined where they have none in common. */
export function typeOfValues(values: readonly unknown[]): ColumnType | undefined {
  if (values.length === 0) return undefined
  if (values.every((each) => typeof each === 'string')) return 'string'
  if (values.every((each) => Number.isSafeInteger(each))) return 'integer'
  return values.every((each) => typeof each === 'number') ? 'number' : undefined
}

/** The default of a property that was left out. */
export function defaultOf(given: unknown): unknown {
  return typeof given === 'function' ? given() : given
}

/** Property values with the defaults of those that were left out. */
export function withDefaults(mapping: EntityMapping, values: Record<string, unknown>): Record<string, unknown> {
  let filled: Record<string, unknown> | undefined
  for (const { name, defaultValue } of mapping.withDefaults) {
    if (values[name] !== undefined) continue
    filled ??= { ...values }
    filled[name] = defaultOf(defaultValue)
  }
  return filled ?? values
}
