/** A promise that its owner settles. A rejection that nothing awaits yet is not an unhandled one. */
export class Deferred<T = void> {
  resolve!: (value: T) => void
  reject!: (error: Error) => void
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })

  constructor() {
    this.promise.catch(() => undefined)
  }
}
