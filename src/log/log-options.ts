import type { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import type { Pruner } from './pruner'
import type { Retention } from './retention'

/**
 * When a commit is on the device. `commit`: before `write` returns. `interval`: at most so many milliseconds, or so
 * many bytes of log, after it. `none`: with the next checkpoint; nothing is logged.
 */
export type Durability =
  | 'commit'
  | 'interval'
  | 'none'
  | { readonly intervalMs?: number; readonly intervalBytes?: number }

const DEFAULT_INTERVAL_MS = 100
const DEFAULT_INTERVAL_BYTES = 1 << 20

/** A durability with all that it leaves out. */
export interface FullDurability {
  readonly mode: 'commit' | 'interval' | 'none'
  readonly intervalMs: number
  readonly intervalBytes: number
}

export function fullDurability(durability: Durability): FullDurability {
  const mode = typeof durability === 'string' ? durability : 'interval'
  const { intervalMs = DEFAULT_INTERVAL_MS, intervalBytes = DEFAULT_INTERVAL_BYTES } =
    typeof durability === 'string' ? {} : durability
  return { mode, intervalMs: intervalMs, intervalBytes: intervalBytes }
}

export interface LogOptions {
  readonly memory: Memory
  readonly files: Files
  readonly world: World
  /** Of the heap's file. */
  readonly path: string
  readonly folder: string
  readonly heapId: Uint8Array
  readonly durability: Durability
  readonly retention: Retention
  readonly pruner: Pruner
  /** A segment is ended when it is larger. */
  readonly segmentBytes: number
  /** A commit is cut into parts of this size. */
  readonly partBytes: number
  /** Throws where this process may not write any more: its lock is lost, or the heap's file is not where it was. */
  readonly ensureWriter: () => void
  /**
   * Has the heap show `LogWriter.keptVersion`, as soon as no transaction and no save is under way; `LogWriter.returned`
   * is to be called then.
   */
  readonly onTakenBack: () => void
  /** Called with failures in the background. */
  readonly onFailure: (error: SnapheapError) => void
}
