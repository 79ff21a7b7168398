import type { SnapheapError } from '../errors'

/** Reports a failure that may recur with each attempt: once, and again when it has changed or was over. */
export class RepeatedFailure {
  private reported: string | undefined

  constructor(private readonly report: (error: SnapheapError) => void) {}

  happened(error: SnapheapError): void {
    if (error.message === this.reported) return
    this.reported = error.message
    this.report(error)
  }

  isOver(): void {
    this.reported = undefined
  }
}
