/** A promise that its owner settles. One that is rejected before anybody awaits it is no unhandled rejection. */
export class Deferred {
  resolve!: () => void
  reject!: (error: Error) => void
  readonly promise = new Promise<void>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })

  constructor() {
    this.promise.catch(() => undefined)
  }
}
