import { type RowChanges, rowChanges } from '../table/row-changes'
import type { Table } from '../table/table'

/** A version that is pinned: what a feed needs of a snapshot. */
export interface PinnedVersion {
  readonly version: number
  readonly tableNames: readonly string[]
  table(name: string): Table
  close(): void
}

/** Pinned for as long as somebody uses it. */
class SharedVersion<S extends PinnedVersion> {
  private uses = 1

  constructor(readonly snapshot: S) {}

  share(): this {
    this.uses++
    return this
  }

  release(): void {
    if (--this.uses === 0) this.snapshot.close()
  }
}

/** What one commit changed, or several that were not told of one by one. Valid until `release`. */
export class CommitChange<S extends PinnedVersion> {
  private readonly known = new Map<string, RowChanges>()

  constructor(
    private readonly from: SharedVersion<S>,
    private to: SharedVersion<S>,
  ) {}

  /** The version before. */
  get before(): S {
    return this.from.snapshot
  }

  get after(): S {
    return this.to.snapshot
  }

  /** How the rows of a table changed. Computed once, for all listeners. */
  rows(table: string): RowChanges {
    let changes = this.known.get(table)
    if (changes === undefined) {
      changes = rowChanges(tableOf(this.before, table), tableOf(this.after, table))
      this.known.set(table, changes)
    }
    return changes
  }

  /** Whether any row of a table changed. */
  touches(table: string): boolean {
    const { inserted, updated, deleted } = this.rows(table)
    return inserted.length + updated.length + deleted.length > 0
  }

  /** The same for a later use. */
  share(): CommitChange<S> {
    return new CommitChange(this.from.share(), this.to.share())
  }

  /** Takes a later change in, as if both were one. */
  merge(later: CommitChange<S>): void {
    this.to.release()
    this.to = later.to.share()
    this.known.clear()
  }

  release(): void {
    this.from.release()
    this.to.release()
  }
}

function tableOf(snapshot: PinnedVersion, name: string): Table | undefined {
  return snapshot.tableNames.includes(name) ? snapshot.table(name) : undefined
}

type Listener<S extends PinnedVersion> = (change: CommitChange<S>) => void

/**
 * Tells listeners of every commit, in order, each as a whole. While there are listeners the newest version is pinned,
 * so that what a commit changes is copied, and can be told by what the versions do not share.
 */
export class CommitFeed<S extends PinnedVersion> {
  /** With the number of changes there had been when each began to listen. */
  private readonly listeners = new Map<Listener<S>, number>()
  private newest: SharedVersion<S> | undefined
  private readonly waiting: { readonly change: CommitChange<S>; readonly number: number }[] = []
  private isTelling = false
  /** Changes so far. Versions do not tell: they fall where commits are taken back. */
  private changes = 0

  constructor(private readonly pin: () => S) {}

  /** Has every later commit told, until the function returned is called. */
  listen(listener: Listener<S>): () => void {
    this.newest ??= new SharedVersion(this.pin())
    this.listeners.set(listener, this.changes)
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size === 0) this.letGo()
    }
  }

  /**
   * Must be called after each commit. If a listener commits, all listeners are called for the earlier commit first.
   */
  committed(): void {
    const { newest } = this
    if (newest === undefined) return
    const now = new SharedVersion(this.pin())
    this.waiting.push({ change: new CommitChange(newest.share(), now.share()), number: ++this.changes })
    newest.release()
    this.newest = now
    if (!this.isTelling) this.tell()
  }

  close(): void {
    this.listeners.clear()
    this.letGo()
  }

  private tell(): void {
    this.isTelling = true
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        const { change, number } = next
        for (const [listener, since] of [...this.listeners]) {
          const isDue = this.listeners.has(listener) && number > since
          if (isDue) callSafely(() => listener(change))
        }
        change.release()
      }
    } finally {
      this.isTelling = false
    }
  }

  private letGo(): void {
    this.newest?.release()
    this.newest = undefined
    if (this.isTelling) return
    for (const { change } of this.waiting.splice(0)) change.release()
  }
}

/**
 * Calls a listener. The commit has happened and other listeners want to know: what one throws is an uncaught error of
 * its own.
 */
export function callSafely(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
