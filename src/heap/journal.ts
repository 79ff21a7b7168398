import type { Changes } from './changes'
import type { HistoryPoint } from './history-point'

export type CommitSync = 'before' | 'after' | 'unawaited'

export interface CommitOptions {
  /** Text that is stored with the commit and not interpreted. Default ''. */
  readonly annotation?: string
  /**
   * When the commit is on the device, where the journal promises that: `before` it counts (the default); `after`, for a
   * caller that awaits `durable`; `unawaited`, with the next sync.
   */
  readonly sync?: CommitSync
  /**
   * The commit, which must change nothing, claims this epoch: it and all that follow belong to it. It is on the device
   * before it counts, independently of `sync` and of the journal's durability.
   */
  readonly claimedEpoch?: number | undefined
}

/**
 * Is called before every commit, and may prevent it by throwing: then it is rolled back. (The heap does not know how a
 * commit is made durable.)
 */
export interface Journal {
  /** Why no further commit is taken, undefined as long as they are. */
  readonly refusal: Error | undefined
  commit(version: number, changes: Changes, options: CommitOptions): void
  /** Where in which history the newest commit is. */
  readonly point: HistoryPoint
  /**
   * Resolves when every recorded commit up to `version` is on the device: before that, no file may name the version.
   * Rejects where it cannot be, or the version was taken back.
   */
  durable(version: number): Promise<void>
  /**
   * Called before a commit that is not recorded: everything until now must be durable when this returns. Returns the
   * point of that commit. May throw.
   */
  prepareSkip(): HistoryPoint
  /**
   * Called after a commit that is durable already, because the heap's own file holds it, at the point that
   * `prepareSkip` gave. Must not throw.
   */
  skip(version: number, point: HistoryPoint): void
  /** Refuses every further commit: the file may hold a state that was not reported as saved. */
  refuse(cause: unknown): void
  /** Called when the heap begins to write what it holds into its own file. May throw. */
  checkpointBegins(): void
  /** Called before another file takes the name of the heap's own, whose newest state is `version`. */
  replacesFile(version: number): void
  /** Called once the heap's own file holds everything up to `version`, durably. Must not reject. */
  checkpointed(version: number): Promise<void>
  /** Writes what is pending and gives everything back. Rejects, after that, when commits could not be made durable. */
  close(): Promise<void>
}
