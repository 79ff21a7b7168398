import type { Changes } from './changes'
import type { HistoryPoint } from './history-point'

export interface CommitOptions {
  /** Kept with the commit, opaque to the heap. Default ''. */
  readonly annotation?: string
  /**
   * Whether the commit must be on the device before it counts, where the journal promises that. Default true; false for a
   * caller who waits for the next sync.
   */
  readonly sync?: boolean
}

/**
 * Hears of every commit before it happens, and may prevent it by throwing: then it is rolled back. (The heap knows nothing
 * of how it is made durable.)
 */
export interface Journal {
  /** Why no further commit is taken, undefined as long as they are. */
  readonly refusal: Error | undefined
  commit(version: number, changes: Changes, options: CommitOptions): void
  /** Where in which history the newest commit is. */
  readonly point: HistoryPoint
  /**
   * Called before a commit that is not recorded: everything until now must be durable when this returns. Returns the point of that
   * commit. May throw.
   */
  prepareSkip(): HistoryPoint
  /** Hears of a commit that is durable already, because the heap's own file holds it, at the point that `prepareSkip` gave. Must not throw. */
  skip(version: number, point: HistoryPoint): void
  /** Refuses every further commit: it is not known whether the file holds a state that nobody was told of. */
  refuse(cause: unknown): void
  /** Called when the heap begins to write what it holds into its own file. May throw. */
  checkpointBegins(): void
  /** Called before another file takes the name of the heap's own, whose newest state is `version`. */
  replacesFile(version: number): void
  /** Called once the heap's own file holds everything up to `version`, durably. May reject. */
  checkpointed(version: number): Promise<void>
  close(): void
}
