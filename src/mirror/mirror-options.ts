import type { SnapheapError } from '../errors'
import type { VerifiedTable } from './background-verification'
import type { ConnectionOptions } from './connection'
import type { CopyState } from './progress'

export interface MirrorOptions {
  /** Where Postgres is: a URL, or the configuration object of the `pg` package. */
  connection: ConnectionOptions
  /**
   * The tables to mirror, each spelled as in SQL (`quote`, `shop.quote`, `"Quote"`); partitioned ones by their root. A
   * table that is renamed in Postgres goes on being mirrored under its earlier name, with a notice, unless another one
   * has taken that: then it is that one.
   */
  tables: readonly string[]
  /**
   * Name of the replication slot, unique in the Postgres cluster, up to 55 characters. One that exists and that this
   * database has not made is refused. Default: the one that the database is mirrored with already; else made of the
   * names of the Postgres database and of the database file, and of where that file is. A database in memory has a slot
   * that goes with its connection.
   */
  slot?: string
  /**
   * Name of the publication. One that exists, made by somebody else, is used as it is, and needs no rights; otherwise
   * the mirror makes it, and keeps it right. Default: as the slot.
   */
  publication?: string
  /**
   * Bytes of log that the server may keep for the slot: with more, the mirror drops the slot, tells it, and copies the
   * tables again. Less than what is written during a copy keeps a copy from ending. Default: no limit but the server's
   * own.
   */
  maxRetainedBytes?: number
  /**
   * Has the slot kept on standby servers, so that it survives a fail-over. From Postgres 17 on. Default: as the slot
   * is, at first false.
   */
  failover?: boolean
  /** How often changes are made durable, and the server told so. Default 5000. */
  syncIntervalMs?: number
  /**
   * Changes that come within this time are applied together, so that they are shown up to so much later. Up to 50.
   * Default 0: as soon as their transaction has come. With hundreds of small transactions a second, 10 halves the
   * processor time of the mirror.
   */
  applyIntervalMs?: number
  /**
   * How often slot, publication and columns are looked at. Default 1000. The stream tells that a table was altered with
   * the next row that is written to it, and the mirror looks then; where no row is written, rows from before it (a new
   * column's default, a changed type, a detached partition) are shown for as long.
   */
  checkIntervalMs?: number
  /**
   * Has an event trigger on the server write into its log that a table was altered, so that the mirror knows at once,
   * also of tables that are not written to. Default false. Only a superuser may create the trigger; it never raises,
   * and goes with the slot.
   */
  ddlTrigger?: boolean
  /**
   * How often all tables are compared with Postgres in the background, one after the other, each at one LSN; off by
   * default. 8 MB of rows are read in a second, while a snapshot is held on the server; a statement there that waits to
   * lock the table ends that, until later, as does a transaction that is writing for longer than 0.25 s when it begins.
   * `stats().postponed` tells of it. A table that differs is reported by the event `difference`, and copied again.
   */
  verifyIntervalMs?: number
}

/**
 * `copying`: the first copy is being made. `live`: in step with Postgres. `stale`: not connected, or catching up, or
 * with a table that cannot be mirrored at the moment, while the others are followed; what was there before is served.
 * `resyncing`: tables are copied, beside what is served; the others are followed meanwhile, unless all are copied
 * again. `failed`: given up; `error` tells why.
 */
export type MirrorStatus = 'copying' | 'live' | 'stale' | 'resyncing' | 'failed'

export interface MirroredTableStatus {
  /** While others are followed: `copying` or `resyncing` until the table is copied and has caught up. */
  status: MirrorStatus
  /** Why the table is `stale` while others are followed; undefined where there is no such reason. */
  error: SnapheapError | undefined
}

export interface MirrorEvents {
  /** The status has changed; with the reason where that is an error. */
  status: [status: MirrorStatus, error: SnapheapError | undefined]
  /** How far a copy is, ten times a second. */
  progress: [state: CopyState]
  /** A table was found to differ from Postgres, by the verification in the background. It is copied again. */
  difference: [found: VerifiedTable]
  /** Something worth knowing, in a sentence. */
  notice: [text: string]
}

export interface MirrorLag {
  /** Log of the server, in bytes, between what can be read and the last known end of the log. */
  bytes: number
  /**
   * Milliseconds since the server last proved the mirror to be in step, which it is asked for every 2.5 s; 0 where that
   * is no longer ago than 5 s.
   */
  ms: number
  /** Everything that Postgres committed before this can be read, in tables that are `live`. Such as 16/B374D848. */
  lsn: string
  /** The slot's health when it was last looked at; undefined before. */
  slot:
    | {
        isActive: boolean
        /** The server has removed log that was still needed: everything will be copied again. */
        isLost: boolean
        /** Bytes of log that the server keeps for the slot. */
        retainedBytes: number
        /** Bytes of log that may still be written before the slot is in danger; undefined without a limit. */
        safeWalSizeBytes: number | undefined
      }
    | undefined
}

export interface MirrorStats {
  /**
   * Tables that the verification in the background has compared since the mirror was started, and those of them that
   * differed.
   */
  verifiedTables: number
  differentTables: number
  /** The newest of them, and when it was compared. */
  lastVerified: { table: string; lsn: string; time: Date } | undefined
  /**
   * The table whose turn it is where it could not be compared yet, how often that was tried, and why it failed last:
   * it is tried again every 5 s, and the other tables wait. Undefined where the newest attempt has succeeded.
   */
  postponed: { table: string; attempts: number; reason: string } | undefined
}

export interface WaitOptions {
  /** How long to wait at most. Default 10 000. */
  timeoutMs?: number
  /**
   * Names of the tables that are read afterwards, as `tables()` has them. Others may be behind, such as one that is
   * being copied. Default: all that can be mirrored.
   */
  tables?: readonly string[]
}

export interface CloseOptions {
  /**
   * Also remove slot and publication from the server; the next start then copies everything. Default: only for a
   * database in memory.
   */
  dropSlot?: boolean
}
