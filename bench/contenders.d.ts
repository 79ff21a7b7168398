// What the benchmarks use of the packages that they alone need, so that types are checked without installing those.
declare module 'better-sqlite3' {
  interface Statement<Parameters extends unknown[], Row> {
    run(...parameters: Parameters): unknown
    get(...parameters: Parameters): Row | undefined
    all(...parameters: Parameters): Row[]
    pluck(): Statement<Parameters, Row>
  }
  export default class Database {
    constructor(path: string)
    exec(sql: string): unknown
    prepare<Parameters extends unknown[] = unknown[], Row = unknown>(sql: string): Statement<Parameters, Row>
    transaction<Parameters extends unknown[]>(
      work: (...parameters: Parameters) => void,
    ): (...parameters: Parameters) => void
    close(): void
  }
}

declare module 'lmdb' {
  // biome-ignore lint/suspicious/noExplicitAny: a store holds whatever was put into it
  type Stored = any
  interface LmdbOptions {
    path: string
    noSync?: boolean
    overlappingSync?: boolean
  }
  export function open(options: LmdbOptions): {
    get(key: number): Stored
    put(key: number, value: unknown): Promise<boolean>
    putSync(key: number, value: unknown): boolean
    transaction(work: () => void): Promise<void>
    transactionSync(work: () => void): void
    close(): Promise<void>
  }
}

declare module 'immutable' {
  interface ImmutableMap<Key, Value> {
    get(key: Key): Value | undefined
    set(key: Key, value: Value): ImmutableMap<Key, Value>
    withMutations(change: (map: ImmutableMap<Key, Value>) => unknown): ImmutableMap<Key, Value>
  }
  // biome-ignore lint/suspicious/noShadowRestrictedNames: that is what it is called
  export const Map: <Key, Value>() => ImmutableMap<Key, Value>
}

declare module 'redis' {
  export interface RedisClient {
    connect(): Promise<unknown>
    close(): Promise<void>
    eval(script: string, given: { keys: string[]; arguments: string[] }): Promise<unknown>
    hGet(key: string, field: string): Promise<string | null>
    hmGet(key: string, fields: string[]): Promise<(string | null)[]>
    sMembers(key: string): Promise<string[]>
  }
  export function createClient(options: { socket: { path: string } }): RedisClient
}

declare module '@duckdb/node-api' {
  interface Connection {
    run(sql: string): Promise<unknown>
    runAndReadAll(sql: string): Promise<{ getRows(): unknown[][] }>
  }
  export const DuckDBInstance: { create(path: string): Promise<{ connect(): Promise<Connection> }> }
}

declare module 'vega' {
  export function parse(specification: object): object
  export class View {
    constructor(runtime: object, options: { renderer: 'none' })
    toSVG(): Promise<string>
  }
}

declare module 'vega-lite' {
  export type TopLevelSpec = Readonly<Record<string, unknown>>
  export function compile(specification: TopLevelSpec): { spec: object }
}
