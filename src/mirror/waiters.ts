import { SnapheapError } from '../errors'
import { formatLsn, type Lsn } from './lsn'

/** Everything that Postgres committed before an LSN, in these tables or in all that can be mirrored. */
export interface Target {
  lsn: Lsn
  tables: readonly string[] | undefined
}

interface Waiter {
  target: Target
  resolve: () => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** A session that follows the server. */
interface Followed {
  readonly follower: { readonly appliedLsn: Lsn } | undefined
  /** Those of some tables, or of all that can be mirrored, that are not in step with the stream. */
  behind: (tables: readonly string[] | undefined) => readonly string[]
}

/** Calls that wait until a target can be read. */
export class Waiters {
  private waiting: Waiter[] = []
  private followed: Followed | undefined

  isReadable({ lsn, tables }: Target): boolean {
    const { followed } = this
    if (followed?.follower === undefined || followed.follower.appliedLsn < lsn) return false
    return followed.behind(tables).length === 0
  }

  /** Resolves when `target` can be read. Throws `TIMEOUT`, and what `fail` is given. */
  wait(target: Target, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting = this.waiting.filter((each) => each.timer !== timer)
        const lsn = formatLsn(target.lsn)
        const message = `The mirror did not come to ${lsn} within ${timeoutMs} ms: ${this.reason(target)}`
        reject(new SnapheapError('TIMEOUT', message, { lsn, timeoutMs }))
      }, timeoutMs)
      this.waiting.push({ target, resolve, reject, timer })
    })
  }

  /** To be called whenever more can be read, with the session that has read it. */
  advance(followed: Followed): void {
    this.followed = followed
    if (this.waiting.length === 0) return
    this.end(
      ({ target }) => this.isReadable(target),
      (waiter) => waiter.resolve(),
    )
  }

  /** No session follows any more, or what was read was taken back: only what is read from now on counts. */
  forget(): void {
    this.followed = undefined
  }

  fail(error: Error): void {
    this.end(
      () => true,
      (waiter) => waiter.reject(error),
    )
  }

  /** Why a target cannot be read yet, and what to do. */
  private reason({ tables }: Target): string {
    const { followed } = this
    if (followed?.follower === undefined) return 'it does not follow the server. Look at status and error.'
    const behind = followed.behind(tables)
    if (behind.length > 0)
      return (
        `not in step: ${behind.join(', ')}. Allow more time, name only the tables that you read, or look at ` +
        'tables().'
      )
    const place = formatLsn(followed.follower.appliedLsn)
    return `it is at ${place}. Allow more time, or look at lag() and status.`
  }

  private end(isOver: (waiter: Waiter) => boolean, tell: (waiter: Waiter) => void): void {
    const over = new Set(this.waiting.filter(isOver))
    this.waiting = this.waiting.filter((waiter) => !over.has(waiter))
    for (const waiter of over) {
      clearTimeout(waiter.timer)
      tell(waiter)
    }
  }
}
