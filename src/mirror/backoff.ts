const LONGEST_MS = 30_000
const SHORTEST_MS = 50

/** Pauses between attempts: exponential, with jitter, so that many mirrors do not come back to a server all at once. */
export class Backoff {
  private attempts = 0
  private isOver = false
  private wake: () => void = () => undefined

  /** The next pause is the shortest again. */
  reset(): void {
    this.attempts = 0
  }

  async pause(): Promise<void> {
    const longest = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.attempts++)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2))
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.isOver) this.wake()
    })
  }

  /** Ends the pause there is, and all that come. */
  end(): void {
    this.isOver = true
    this.wake()
  }
}
