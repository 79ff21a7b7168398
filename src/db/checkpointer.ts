import type { SnapheapError } from '../errors'

export interface CheckpointOptions {
  /** Begin a checkpoint when so much log has been written since the last. Default 64 MiB. */
  readonly logBytes?: number
  /** And so many milliseconds after the last, when there was a commit. Default: not by time. */
  readonly everyMs?: number
}

const DEFAULT_LOG_BYTES = 64 << 20
/** A checkpoint that failed is not tried again at once. */
const RETRY_MS = 5000

/** Begins checkpoints by the amount of log and by time, one at a time, beside everything else. */
export class Checkpointer {
  private readonly logBytes: number
  private timer: NodeJS.Timeout | undefined
  private isRunning = false
  private isStopped = false
  private notBeforeMs = 0

  constructor(
    private readonly options: CheckpointOptions,
    private readonly checkpoint: () => Promise<void>,
    private readonly onFailure: (error: SnapheapError) => void,
  ) {
    this.logBytes = options.logBytes ?? DEFAULT_LOG_BYTES
  }

  /** Called after every commit, with the log written since the last checkpoint began. */
  committed(logBytes: number): void {
    if (this.isRunning || this.isStopped) return
    if (logBytes > this.logBytes && performance.now() >= this.notBeforeMs) this.run()
    else if (this.options.everyMs !== undefined && this.timer === undefined) {
      this.timer = setTimeout(() => this.run(), this.options.everyMs)
      this.timer.unref()
    }
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private run(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.isStopped) return
    this.isRunning = true
    this.checkpoint()
      .catch((error) => {
        this.notBeforeMs = performance.now() + RETRY_MS
        if (!this.isStopped) this.onFailure(error)
      })
      .finally(() => {
        this.isRunning = false
      })
  }
}
