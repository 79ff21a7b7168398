import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import type { MirrorOptions, MirrorStatus } from '../../src/mirror/mirror-options'
import type { Verification } from '../../src/mirror/verify'
import type { PostgresServer, ServerConnection } from './postgres'

/** A Postgres database of its own, mirrored into a file of its own. Everything is gone after `close`. */
export class MirrorBench {
  readonly notices: string[] = []
  readonly statuses: MirrorStatus[] = []
  db!: Store
  mirror!: Mirror
  private readonly folder = mkdtempSync(join(tmpdir(), 'snapheap-mirror-'))
  private isOpen = false

  private constructor(
    readonly server: PostgresServer,
    readonly connection: ServerConnection,
    private readonly options: Omit<MirrorOptions, 'connection'>,
  ) {}

  /** Makes the database with `sql` and mirrors it, as `user`; resolves when the mirror is ready. */
  static async start(
    server: PostgresServer,
    sql: string,
    options: Omit<MirrorOptions, 'connection'>,
    user = 'postgres',
  ): Promise<MirrorBench> {
    const connection = { ...(await server.createDatabase('mirror')), user }
    const bench = new MirrorBench(server, connection, { checkIntervalMs: 100, ...options })
    await bench.query(sql)
    await bench.open()
    return bench
  }

  /** Opens the file and starts the mirror, as after a restart of the process. */
  async open(changed: Partial<MirrorOptions> = {}): Promise<void> {
    this.db = Store.open(this.path)
    this.isOpen = true
    this.mirror = await mirror(this.db, { connection: this.connection, ...this.options, ...changed })
    this.mirror.on('notice', (text) => this.notices.push(text))
    this.mirror.on('status', (status) => this.statuses.push(status))
    await this.mirror.ready
  }

  get path(): string {
    return join(this.folder, 'mirrored.heap')
  }

  async query<Row = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const result = await this.server.query(sql, this.connection.database)
    return (Array.isArray(result) ? result.at(-1) : result).rows
  }

  /** Everything that was committed before the call can be read afterwards. */
  async inStep(): Promise<void> {
    const [row] = await this.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn')
    await this.mirror.waitFor(row!.lsn, { timeoutMs: 60_000 })
  }

  /** Proves that mirror and Postgres have the same rows, and that the heap is sound. */
  async expectSame(): Promise<void> {
    await this.inStep()
    expect((await this.verify()).tables.filter(({ examples }) => examples.length > 0)).toEqual([])
    expect(this.db.check().problems).toEqual([])
  }

  /**
   * The same after a change that the stream does not tell of: once the mirror has looked, and has brought itself into
   * step.
   */
  async expectSameSoon(withinMs = 30_000): Promise<void> {
    await this.inStep()
    const end = Date.now() + withinMs
    while (Date.now() < end && !(await this.verify()).isSame) await new Promise((resolve) => setTimeout(resolve, 20))
    await this.expectSame()
  }

  /** Verifies when the mirror is live; once more if it begins anew meanwhile. */
  async verify(): Promise<Verification> {
    for (;;) {
      await this.until(() => this.mirror.status === 'live')
      try {
        return await this.mirror.verify()
      } catch (error) {
        if ((error as SnapheapError).code !== 'BUSY') throw error
      }
    }
  }

  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      if (this.mirror.status === 'failed') throw this.mirror.error
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** Ends mirror and database in order, as a process does. */
  async shut(): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    await this.mirror?.close()
    await this.db.close()
  }

  async close(): Promise<void> {
    if (this.isOpen) await this.mirror?.close({ dropSlot: true }).catch(() => undefined)
    this.isOpen = false
    await this.db?.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
