import type { Choice } from './choice'

export const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'fair', 'happy');
  CREATE TYPE pair AS (n integer, feels mood, note text);
  CREATE TYPE nest AS (inner_pair pair, amount numeric);
  CREATE DOMAIN score AS integer DEFAULT 42;
  CREATE DOMAIN label AS text DEFAULT 'none';
  CREATE FUNCTION place(text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT abs(hashtext($1)) % 1000'`

const PLAIN_COLUMNS = [
  'v integer, name text, body text, feels mood',
  'price numeric(10,2), amount numeric, points score, tags text[], p pair',
  'name varchar(30) NOT NULL, feels mood[], n nest, ps pair[], is_on boolean, twice integer GENERATED ALWAYS AS (id * 2) STORED',
  'doc jsonb, day date, at timestamptz, big bigint NOT NULL DEFAULT 5, body text, l label',
]

/**
 * The columns called `body` are not compressed, so that large values of them are TOASTed. `STORAGE` is new in Postgres
 * 16.
 */
function createTable(name: string, columns: string, options = ''): string {
  const create = `CREATE TABLE ${name} (${columns})${options}`
  return /\bbody\b/.test(columns) ? `${create}; ALTER TABLE ${name} ALTER body SET STORAGE EXTERNAL` : create
}

/** SQL for a table of this name, without partitions. */
export function plainTable(choice: Choice, name: string): string {
  const columns = choice.pick(PLAIN_COLUMNS)!
  const keyed = choice.pick([
    `id integer PRIMARY KEY, ${columns}`,
    `id integer PRIMARY KEY, ${columns}`,
    `grp text, id integer, ${columns}, PRIMARY KEY (id, grp)`,
    `kind mood, id bigint, ${columns}, PRIMARY KEY (kind, id)`,
  ])
  return createTable(name, keyed!)
}

/** Statements that make a partitioned table; names of partitions end in what they hold. */
export function partitionedTable(choice: Choice, name: string, fresh: () => number): string[] {
  const columns = choice.pick(PLAIN_COLUMNS)!
  const part = (suffix: string) => `p${fresh()}_${suffix}`
  const [first, second, rest] = [part('r0'), part('r1'), part('d')]
  const byRange = [
    createTable(name, `id integer PRIMARY KEY, ${columns}`, ' PARTITION BY RANGE (id)'),
    `CREATE TABLE ${first} PARTITION OF ${name} FOR VALUES FROM (0) TO (100)`,
    `CREATE TABLE ${second} PARTITION OF ${name} FOR VALUES FROM (100) TO (200)`,
    `CREATE TABLE ${rest} PARTITION OF ${name} DEFAULT`,
  ]
  if (choice.chance(0.5)) return byRange
  const [n, sub, below, above] = [part('ln'), part('ls'), part('d'), part('r2')]
  return [
    createTable(name, `grp text, id integer, ${columns}, PRIMARY KEY (grp, id)`, ' PARTITION BY LIST (grp)'),
    `CREATE TABLE ${n} PARTITION OF ${name} FOR VALUES IN ('n')`,
    `CREATE TABLE ${sub} PARTITION OF ${name} FOR VALUES IN ('s') PARTITION BY RANGE (id)`,
    `CREATE TABLE ${below} PARTITION OF ${sub} DEFAULT`,
    `CREATE TABLE ${above} PARTITION OF ${sub} FOR VALUES FROM (200) TO (300)`,
    `CREATE TABLE ${rest} PARTITION OF ${name} DEFAULT`,
  ]
}
