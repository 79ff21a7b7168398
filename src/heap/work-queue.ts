import { AsyncLocalStorage } from 'node:async_hooks'
import { SnapheapError } from '../errors'

/** Has things done one after the other, in the order in which they were asked for. */
export class WorkQueue {
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0
  /** The code given to `within` that runs, and what it calls. */
  private readonly inner = new AsyncLocalStorage<{ readonly name: string; isOver: boolean }>()

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.waiting === 0
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.waiting++
    const result = this.last.then(work).finally(() => this.waiting--)
    this.last = result.catch(() => undefined)
    return result
  }

  /** Within a turn, runs a user's code, of which the turn waits. `name` is what the user called. */
  async within<T>(name: string, code: () => Promise<T>): Promise<T> {
    const scope = { name, isOver: false }
    try {
      return await this.inner.run(scope, code)
    } finally {
      scope.isOver = true
      this.inner.disable() // no other call is within this turn: promises outside of turns must not pay for the tracking
    }
  }

  /** Throws `BUSY` where `called` would wait for the turn within which it is called, which waits for it. */
  ensureOutside(called: string): void {
    const scope = this.inner.getStore()
    if (scope === undefined || scope.isOver) return
    throw new SnapheapError(
      'BUSY',
      `${called} was called inside the function given to ${scope.name}, and each would wait for the other. Call ` +
        `it after ${scope.name} has resolved.`,
    )
  }
}
