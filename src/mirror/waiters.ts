import { SnapheapError } from '../errors'
import { formatLsn, type Lsn } from './lsn'

interface Waiter {
  lsn: Lsn
  resolve: () => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** Calls that wait for the mirror to come to an LSN. */
export class Waiters {
  private waiting: Waiter[] = []

  /**
   * Resolves when `advance` has told of `lsn`. Throws `TIMEOUT`, saying where the mirror is then, and what `fail` is
   * given.
   */
  wait(lsn: Lsn, timeoutMs: number, current: () => Lsn): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting = this.waiting.filter((each) => each.timer !== timer)
        reject(
          new SnapheapError(
            'TIMEOUT',
            `The mirror did not come to ${formatLsn(lsn)} within ${timeoutMs} ms: it is at ${formatLsn(current())}. ` +
              'Allow more time, or look at lag() and status.',
            { lsn: formatLsn(lsn), timeoutMs },
          ),
        )
      }, timeoutMs)
      this.waiting.push({ lsn, resolve, reject, timer })
    })
  }

  advance(lsn: Lsn): void {
    if (this.waiting.length === 0) return
    this.end(
      (waiter) => waiter.lsn <= lsn,
      (waiter) => waiter.resolve(),
    )
  }

  fail(error: Error): void {
    this.end(
      () => true,
      (waiter) => waiter.reject(error),
    )
  }

  private end(isOver: (waiter: Waiter) => boolean, tell: (waiter: Waiter) => void): void {
    const over = this.waiting.filter(isOver)
    this.waiting = this.waiting.filter((waiter) => !isOver(waiter))
    for (const waiter of over) {
      clearTimeout(waiter.timer)
      tell(waiter)
    }
  }
}
