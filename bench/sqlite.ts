import { isBuiltin } from 'node:module'
import Better from 'better-sqlite3'
import type { Entrant } from './harness'

export type SqlitePackage = 'better-sqlite3' | 'node:sqlite'

export interface SqliteStatement<Parameters extends unknown[], Row> {
  run(...parameters: Parameters): unknown
  get(...parameters: Parameters): Row | undefined
  all(...parameters: Parameters): Row[]
}

/** What the tasks use of either package. */
export interface Sqlite {
  exec(sql: string): void
  prepare<Parameters extends unknown[] = unknown[], Row = unknown>(sql: string): SqliteStatement<Parameters, Row>
  /** A statement that answers values of one column, in the way that its package has for that. */
  values<Parameters extends unknown[], Value>(
    sql: string,
    column: string,
  ): Pick<SqliteStatement<Parameters, Value>, 'get' | 'all'>
  /** Does all of it in one transaction. */
  transaction(work: () => void): void
  close(): void
}

/** What a package does not say of itself: what node:sqlite exports. */
interface NodeSqlite {
  DatabaseSync: new (
    path: string,
  ) => {
    exec(sql: string): void
    prepare<Parameters extends unknown[], Row>(sql: string): SqliteStatement<Parameters, Row>
    close(): void
  }
}

/** The same contender once for each package. */
export function onSqlite<Contender>(
  make: (name: SqlitePackage) => Contender & Entrant,
): Record<SqlitePackage, Contender & Entrant> {
  const [better, node] = (['better-sqlite3', 'node:sqlite'] as const).map((name) => ({
    settings: 'write-ahead log, a cache of 1 GB, statements prepared once',
    ...make(name),
  }))
  const missing = isBuiltin('node:sqlite') ? undefined : `which Node ${process.versions.node} does not have`
  return { 'better-sqlite3': better, 'node:sqlite': { ...node, leftOut: missing ?? node.leftOut } }
}

/** Opens a file, or a database in memory by the name `:memory:`. */
export function openSqlite(name: SqlitePackage, path: string): Sqlite {
  const sqlite = name === 'better-sqlite3' ? betterSqlite(path) : nodeSqliteAt(path)
  sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA cache_size = -1000000')
  return sqlite
}

function betterSqlite(path: string): Sqlite {
  const sqlite = new Better(path)
  return {
    exec: (sql) => void sqlite.exec(sql),
    prepare: (sql) => sqlite.prepare(sql),
    values: <Parameters extends unknown[], Value>(sql: string) => sqlite.prepare<Parameters, Value>(sql).pluck(),
    transaction: (work) => sqlite.transaction(work)(),
    close: () => sqlite.close(),
  }
}

function nodeSqliteAt(path: string): Sqlite {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite') as NodeSqlite
  const sqlite = new DatabaseSync(path)
  return {
    exec: (sql) => sqlite.exec(sql),
    prepare: (sql) => sqlite.prepare(sql),
    values<Parameters extends unknown[], Value>(sql: string, column: string) {
      const statement = sqlite.prepare<Parameters, Record<string, Value>>(sql)
      return {
        get: (...parameters: Parameters) => statement.get(...parameters)?.[column],
        all: (...parameters: Parameters) => statement.all(...parameters).map((row) => row[column]),
      }
    },
    transaction(work) {
      sqlite.exec('BEGIN')
      work()
      sqlite.exec('COMMIT')
    },
    close: () => sqlite.close(),
  }
}
