import type { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import type { Retention } from './retention'

/**
 * When a commit is on the device. `commit`: before `write` returns. `interval`: at most so many milliseconds, or so many
 * bytes of log, after it. `none`: with the next checkpoint; nothing is logged.
 */
export type Durability = 'commit' | 'interval' | 'none' | { readonly everyMs?: number; readonly everyBytes?: number }

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
  /** A segment is ended when it is larger. */
  readonly segmentBytes: number
  /** A commit is cut into parts of this size. */
  readonly partBytes: number
  /** Called before anything is written. Throws where another process may be the writer by now, or the heap's file is not in its place. */
  readonly ensureWriter: () => void
  /** Hears that a sync failed: what was committed since the last is no longer in the log, and is not to be shown. */
  readonly onUnsynced: () => void
  /** Hears of a failure of what was done in the background. */
  readonly onFailure: (error: SnapheapError) => void
}
