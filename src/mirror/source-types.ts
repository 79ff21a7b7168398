import type pg from 'pg'
import { queryRows } from './connection'

/** A type with domains resolved to what they are made of; the element of an array, too. */
export interface PostgresType {
  schema: string
  name: string
  kind: 'base' | 'enum' | 'array' | 'composite' | 'range'
  /** Arrays only. */
  element?: PostgresType
  /** Character between the elements of an array in its text form. */
  delimiter?: string
  /** What the text form of its values depends on besides the values. */
  text: TextForm
}

/** What the text form of a type's values depends on, in all that it is made of. */
export interface TextForm {
  /** Oid of each value of an enum -> its label, and the transaction that wrote it so: "sad 734". */
  readonly labels: Readonly<Record<string, string>>
  /** The attributes of composite types; any other text stands for another form. */
  readonly attributes: string
  /** Names of other objects are in it, which can be renamed: nothing in the stream tells. */
  readonly isByName: boolean
}

interface TypeRow {
  oid: number
  schema: string
  name: string
  type: string
  base_oid: number
  element_oid: number
  delimiter: string
  labels: Record<string, string> | null
  attributes: string | null
  /** Of what it is made. */
  parts: number[]
}

/** Built-in types whose text is the name of another object. */
const BY_NAME: readonly string[] = [
  'aclitem',
  'regclass',
  'regcollation',
  'regconfig',
  'regdictionary',
  'regnamespace',
  'regoper',
  'regoperator',
  'regproc',
  'regprocedure',
  'regrole',
  'regtype',
]

/** A type, and what its values contain: the base of a domain, elements, attributes, the bounds of ranges. */
const PARTS = `
  SELECT t.typbasetype WHERE t.typbasetype <> 0
  UNION ALL SELECT t.typelem WHERE t.typoutput = 'pg_catalog.array_out'::regproc
  UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
  UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped`

/** The types of `oids`, each with all it is made of, in one statement. Throws `POSTGRES`. */
export async function readTypes(client: pg.Client, oids: readonly number[]): Promise<Map<number, PostgresType>> {
  if (oids.length === 0) return new Map()
  const found = await queryRows<TypeRow>(
    client,
    'reading the catalogue failed',
    `WITH RECURSIVE needed (oid) AS (
       SELECT unnest(ARRAY[${oids.join(', ')}]::oid[])
       UNION
       SELECT p.oid FROM needed n
         CROSS JOIN LATERAL (SELECT * FROM pg_catalog.pg_type t WHERE t.oid = n.oid OFFSET 0) t
         CROSS JOIN LATERAL (${PARTS}) p (oid)
     )
     SELECT t.oid::int8::float8 AS oid, n.nspname AS schema, t.typname AS name, t.typtype AS type,
            t.typbasetype::int8::float8 AS base_oid,
            (SELECT e.typdelim FROM pg_catalog.pg_type e WHERE e.oid = t.typelem) AS delimiter,
            CASE WHEN t.typoutput = 'pg_catalog.array_out'::regproc THEN t.typelem::int8::float8 ELSE 0 END
              AS element_oid,
            ARRAY(SELECT p.oid::int8::float8 FROM (${PARTS}) p (oid)) AS parts,
            (SELECT jsonb_object_agg(v.oid::text, v.enumlabel || ' ' || v.xmin::text)
             FROM pg_catalog.pg_enum v WHERE v.enumtypid = t.oid) AS labels,
            (SELECT string_agg(concat_ws(' ', a.attnum, a.atttypid, a.xmin, a.attname), ', ' ORDER BY a.attnum)
             FROM pg_catalog.pg_attribute a
             WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS attributes
     FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE t.oid = ANY (ARRAY(SELECT oid FROM needed))`,
  )
  const rows = new Map(found.map((row) => [row.oid, row]))
  return new Map(oids.map((oid) => [oid, typeOf(rows, oid)]))
}

function typeOf(rows: ReadonlyMap<number, TypeRow>, oid: number): PostgresType {
  const row = rows.get(oid)!
  if (row.type === 'd') return typeOf(rows, row.base_oid)
  const { schema, name, element_oid, delimiter } = row
  const text = textFormOf(rows, oid)
  if (element_oid !== 0) return { schema, name, kind: 'array', element: typeOf(rows, element_oid), delimiter, text }
  const kinds: Record<string, PostgresType['kind']> = { e: 'enum', c: 'composite', r: 'range', m: 'range' }
  return { schema, name, kind: kinds[row.type] ?? 'base', text }
}

function textFormOf(rows: ReadonlyMap<number, TypeRow>, oid: number): TextForm {
  const reached = new Set([oid])
  for (const each of reached) for (const part of rows.get(each)!.parts) reached.add(part)
  const parts = [...reached].map((each) => rows.get(each)!)
  return {
    labels: Object.assign({}, ...parts.map(({ labels }) => labels ?? {})),
    attributes: parts
      .flatMap(({ oid: each, attributes }) => (attributes === null ? [] : [`${each} (${attributes})`]))
      .sort()
      .join(', '),
    isByName: parts.some(({ schema, name }) => schema === 'pg_catalog' && BY_NAME.includes(name)),
  }
}
