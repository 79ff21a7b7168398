import type { ColumnType, ScalarType } from '../table/column-type'
import { arrayDecoder } from './arrays'
import {
  decodeBigint,
  decodeBoolean,
  decodeBytes,
  decodeDecimal,
  decodeFloat,
  decodeInteger,
  decodeText,
  decodeUuid,
  type TextDecoder,
} from './fields'
import { noteLoss } from './losses'
import type { PostgresType } from './source-types'
import { decodeDate, decodeTime, decodeTimestamp } from './timestamps'

/** How values of a Postgres type are kept. */
export interface TypeMapping {
  columnType: ColumnType
  decode: TextDecoder
  /** The type is not one this library knows: its text form is kept, which deserves a notice. */
  isUnknown: boolean
}

const known = (columnType: ScalarType, decode: TextDecoder): TypeMapping => ({ columnType, decode, isUnknown: false })
const TEXT = known('string', decodeText)
const TIMESTAMP = known('timestamp', decodeTimestamp)

const DEEP_JSON = 'has a document that nests too deep, or a number too long, for a heap: its text is kept, as a string.'
const BOUNDS = 'has an array that does not begin at 1: its bounds are not kept.'

/** Built-in types (schema `pg_catalog`) by their internal names. */
const BUILT_IN: Record<string, TypeMapping> = {
  bool: known('boolean', decodeBoolean),
  int2: known('integer', decodeInteger),
  int4: known('integer', decodeInteger),
  oid: known('integer', decodeInteger),
  int8: known('bigint', decodeBigint),
  float4: known('number', decodeFloat),
  float8: known('number', decodeFloat),
  numeric: known('decimal', decodeDecimal),
  bytea: known('bytes', decodeBytes),
  uuid: known('uuid', decodeUuid),
  timestamp: TIMESTAMP,
  timestamptz: TIMESTAMP,
  date: known('day', decodeDate),
  time: known('time', decodeTime),
  text: TEXT,
  varchar: TEXT,
  bpchar: TEXT,
  name: TEXT,
  char: TEXT,
  interval: TEXT,
  inet: TEXT,
  cidr: TEXT,
  macaddr: TEXT,
  macaddr8: TEXT,
}

/** json, jsonb. */
function jsonMapping(column: PostgresType): TypeMapping {
  return known('json', (bytes, start, end, out) => {
    if (out.tryJson(bytes, start, end)) return
    out.utf8(bytes, start, end)
    noteLoss(column, DEEP_JSON)
  })
}

/**
 * How values of `type` are kept. COPY and the replication stream carry the same text, so one decoder serves both. The
 * text is what a server prints in a session with the settings of `connect`. What cannot be kept is noted of `column`.
 */
export function mapType(type: PostgresType, column = type): TypeMapping {
  if (type.kind === 'array') {
    // The element of an array is never an array, however many dimensions there are.
    const element = mapType(type.element!, column)
    return {
      columnType: `${element.columnType as ScalarType}[]`,
      decode: arrayDecoder(element.decode, type.delimiter!, () => noteLoss(column, BOUNDS)),
      isUnknown: element.isUnknown,
    }
  }
  if (type.kind === 'enum' || type.kind === 'range' || type.name === 'citext') return TEXT
  const isBuiltIn = type.kind === 'base' && type.schema === 'pg_catalog'
  if (isBuiltIn && (type.name === 'json' || type.name === 'jsonb')) return jsonMapping(column)
  const mapping = isBuiltIn ? BUILT_IN[type.name] : undefined
  return mapping ?? { ...TEXT, isUnknown: true }
}
