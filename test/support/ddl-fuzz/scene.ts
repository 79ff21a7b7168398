import type pg from 'pg'
import type { Choice } from './choice'

export interface SceneColumn {
  name: string
  /** As SQL spells it, such as `numeric(10,2)`. */
  type: string
  isRequired: boolean
  isGenerated: boolean
  hasDefault: boolean
  /** Part of the primary key, or of what rows are partitioned by. */
  isKey: boolean
}

export interface SceneTable {
  name: string
  isPartitioned: boolean
  /** Of a partition: the table right above it. */
  parent: string | null
  /** Such as `RANGE (id)`. */
  partitionKey: string | null
  /** As in `FOR VALUES …`; of a partition. */
  bound: string | null
  /** `pg_class.relreplident` */
  identity: 'd' | 'f' | 'i' | 'n'
  columns: SceneColumn[]
  primaryKey: { name: string; columns: string[] } | null
  /** Unique indexes beside the primary key that could be the replica identity. */
  uniqueIndexes: string[]
}

export interface ScenePublication {
  name: string
  /** Such as `publish = 'insert', publish_via_partition_root = true`. */
  options: string
  /** Each as `FOR TABLE` takes it. */
  tables: string[]
  /** The mark of its mirror. */
  comment: string | null
}

/** What the next steps can be about: the catalogue, as the transaction that asks sees it. */
export interface Scene {
  tables: SceneTable[]
  enums: { name: string; labels: string[] }[]
  composites: { name: string; attributes: { name: string; type: string }[] }[]
  publications: ScenePublication[]
}

/** What a step is made from. */
export interface Setting {
  scene: Scene
  choice: Choice
  /** Names under which tables are mirrored. */
  mirrored: readonly string[]
  /** Of the mirror. */
  publication: string
  /** A number that was not given before. */
  fresh(): number
}

/** Everything is put in order by name, so that equal schemas give equal texts. */
const SCENE = `
  SELECT json_build_object(
    'tables', (
      SELECT coalesce(json_agg(json_build_object(
        'name', c.relname, 'isPartitioned', c.relkind = 'p', 'identity', c.relreplident,
        'parent', (SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid),
        'partitionKey', pg_get_partkeydef(c.oid), 'bound', pg_get_expr(c.relpartbound, c.oid),
        'columns', (
          SELECT coalesce(json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'isRequired', a.attnotnull,
            'isGenerated', a.attgenerated <> '', 'hasDefault', a.atthasdef,
            'isKey', a.attnum = ANY (coalesce(pk.indkey::int2[], '{}')) OR EXISTS (
              SELECT FROM pg_partition_ancestors(c.oid) up JOIN pg_partitioned_table t ON t.partrelid = up.relid
                JOIN pg_attribute k ON k.attrelid = t.partrelid AND k.attnum = ANY (t.partattrs)
              WHERE k.attname = a.attname)
              OR a.attnum = ANY (coalesce((SELECT t.partattrs::int2[] FROM pg_partitioned_table t WHERE t.partrelid = c.oid), '{}'))
          ) ORDER BY a.attnum), '[]')
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'primaryKey', CASE WHEN pk.indexrelid IS NOT NULL THEN json_build_object(
          'name', (SELECT conname FROM pg_constraint WHERE conindid = pk.indexrelid AND conrelid = c.oid),
          'columns', (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(pk.indkey::int2[]) WITH ORDINALITY u (number, place)
                      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number)) END,
        'uniqueIndexes', (
          SELECT coalesce(json_agg(x.relname ORDER BY x.relname), '[]')
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
          WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND i.indimmediate AND i.indisvalid AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull))
      ) ORDER BY c.relname), '[]')
      FROM pg_class c LEFT JOIN pg_index pk ON pk.indrelid = c.oid AND pk.indisprimary
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')),
    'enums', (
      SELECT coalesce(json_agg(json_build_object('name', t.typname, 'labels',
        (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)) ORDER BY t.typname), '[]')
      FROM pg_type t WHERE t.typtype = 'e' AND t.typnamespace = 'public'::regnamespace),
    'composites', (
      SELECT coalesce(json_agg(json_build_object('name', c.relname, 'attributes',
        (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum), '[]')
         FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) ORDER BY c.relname), '[]')
      FROM pg_class c WHERE c.relkind = 'c' AND c.relnamespace = 'public'::regnamespace),
    'publications', (
      SELECT coalesce(json_agg(json_build_object('name', p.pubname,
        'options', format('publish = %L, publish_via_partition_root = %s', concat_ws(', ', CASE WHEN pubinsert THEN 'insert' END,
          CASE WHEN pubupdate THEN 'update' END, CASE WHEN pubdelete THEN 'delete' END,
          CASE WHEN pubtruncate THEN 'truncate' END), CASE WHEN pubviaroot THEN 'true' ELSE 'false' END),
        'tables', (
          SELECT coalesce(json_agg(concat(CASE WHEN c.relkind = 'r' THEN 'ONLY ' END, quote_ident(c.relname)) ORDER BY c.relname), '[]')
          FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid WHERE r.prpubid = p.oid),
        'comment', obj_description(p.oid, 'pg_publication')) ORDER BY p.pubname), '[]')
      FROM pg_publication p)
  ) AS scene`

export async function readScene(client: pg.Client): Promise<Scene> {
  return (await client.query<{ scene: Scene }>(SCENE)).rows[0]!.scene
}

/** Tables that are mirrored or would be, were they called so; no partitions, and nothing that was put aside. */
export function mainTables({ scene, mirrored }: Setting): SceneTable[] {
  return scene.tables.filter(
    ({ name, parent }) => parent === null && mirrored.some((each) => name === each || name === `${each}_away`),
  )
}

/** The partitions of a table that hold rows. */
export function leavesOf(scene: Scene, root: string): SceneTable[] {
  return scene.tables
    .filter(({ parent }) => parent === root)
    .flatMap((table) => (table.isPartitioned ? leavesOf(scene, table.name) : [table]))
}

/** Columns that a change may be about without touching the key. */
export function freeColumns(table: SceneTable): SceneColumn[] {
  return table.columns.filter(({ isKey, isGenerated }) => !isKey && !isGenerated)
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
