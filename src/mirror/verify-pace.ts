import type pg from 'pg'
import { SnapheapError } from '../errors'
import { queryRows } from './connection'
import { serverPid } from './cut-off'

/** Bytes of rows in a second: what the server reads and sends, and this process parses. */
const BYTES_PER_SECOND = 8 << 20
const ASK_INTERVAL_MS = 500

/**
 * Slows a comparison in the background down, and ends it where a statement waits for a lock that it holds: an ALTER
 * TABLE would wait for all of it, and every statement behind that.
 */
export class VerifyPace {
  private readonly startMs = performance.now()
  private askedMs = this.startMs
  private bytes = 0

  constructor(
    /** Has the transaction that is compared with. */
    private readonly client: pg.Client,
    private readonly outside: pg.Client,
    private readonly table: string,
  ) {}

  /** To be called after so many bytes; resolves when more may be read. Throws `BUSY`. */
  async after(bytes: number): Promise<void> {
    this.bytes += bytes
    for (;;) {
      if (performance.now() - this.askedMs >= ASK_INTERVAL_MS) await this.giveWay()
      const restMs = (this.bytes / BYTES_PER_SECOND) * 1000 - (performance.now() - this.startMs)
      if (restMs <= 0) return
      await new Promise((resolve) => setTimeout(resolve, Math.min(restMs, ASK_INTERVAL_MS)))
    }
  }

  private async giveWay(): Promise<void> {
    this.askedMs = performance.now()
    const waiting = await queryRows<{ pid: number }>(
      this.outside,
      'looking for waiting statements failed',
      `SELECT pid FROM pg_catalog.pg_locks
       WHERE NOT granted AND ${serverPid(this.client)} = ANY (pg_blocking_pids(pid)) LIMIT 1`,
    )
    if (waiting.length === 0) return
    throw new SnapheapError(
      'BUSY',
      `The verification of ${this.table} gave way to server process ${waiting[0]!.pid}, which waits to lock the ` +
        'table. It begins anew later.',
      { table: this.table, isTransient: true },
    )
  }
}
