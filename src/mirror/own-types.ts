import pg, { type CustomTypesConfig } from 'pg'

/** OIDs of the types that the mirror's own statements give values of, apart from texts. */
const BOOL = 16
const INT2 = 21
const INT4 = 23
const OID = 26
const JSON_TYPE = 114
const FLOAT4 = 700
const FLOAT8 = 701
const TEXT_ARRAY = 1009
const FLOAT8_ARRAY = 1022
const JSONB = 3802

/** The array parser that comes with `pg`; its declared type is that of another version. */
const { arrayParser } = pg.types as unknown as { arrayParser: { create(text: string): { parse(): string[] } } }
const elementsOf = (text: string): string[] => arrayParser.create(text).parse()

const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [BOOL, (text) => text === 't'],
  [INT2, Number],
  [INT4, Number],
  [OID, Number],
  [JSON_TYPE, (text) => JSON.parse(text)],
  [FLOAT4, Number],
  [FLOAT8, Number],
  [TEXT_ARRAY, elementsOf],
  [FLOAT8_ARRAY, (text) => elementsOf(text).map(Number)],
  [JSONB, (text) => JSON.parse(text)],
])

const asText = (text: string): string => text

/**
 * How the mirror's own statements read values. An application may change the parsers of the `pg` package for its own
 * use, in the whole process (`pg.types.setTypeParser`); those do not reach the mirror.
 */
export const OWN_TYPES = {
  getTypeParser: (oid: number) => PARSERS.get(oid) ?? asText,
} as CustomTypesConfig
