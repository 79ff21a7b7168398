import type { ColumnType, ScalarType } from '../table/column-type'
import { arrayDecoder } from './arrays'
import type { PostgresType } from './catalogue'
import {
  decodeBigint,
  decodeBoolean,
  decodeBytes,
  decodeDecimal,
  decodeFloat,
  decodeInteger,
  decodeJson,
  decodeText,
  decodeUuid,
  type TextDecoder,
} from './fields'
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
const JSON_DOCUMENT = known('json', decodeJson)

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
  json: JSON_DOCUMENT,
  jsonb: JSON_DOCUMENT,
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

/**
 * How values of `type` are kept. COPY and the replication stream carry the same text, so one decoder serves both. The
 * text is what a server prints in a session with the settings of `connect`.
 */
export function mapType(type: PostgresType): TypeMapping {
  if (type.kind === 'array') {
    // The element of an array is no array, however many dimensions there are.
    const element = mapType(type.element!)
    return {
      columnType: `${element.columnType as ScalarType}[]`,
      decode: arrayDecoder(element.decode, type.delimiter!),
      isUnknown: element.isUnknown,
    }
  }
  if (type.kind === 'enum' || type.kind === 'range' || type.name === 'citext') return TEXT
  const mapping = type.kind === 'base' && type.schema === 'pg_catalog' ? BUILT_IN[type.name] : undefined
  return mapping ?? { ...TEXT, isUnknown: true }
}
