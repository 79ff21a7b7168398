/** Has things done one after the other, in the order in which they were asked for. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0

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
}
