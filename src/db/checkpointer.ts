import type { SnapheapError } from '../errors'
import type { Timer, World } from '../heap/world'

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
  private timer: Timer | undefined
  private isRunning = false
  private isStopped = false
  private notBeforeMs = 0

  constructor(
    private readonly options: CheckpointOptions,
    private readonly checkpoint: () => Promise<void>,
    private readonly onFailure: (error: SnapheapError) => void,
    private readonly world: World,
  ) {
    this.logBytes = options.logBytes ?? DEFAULT_LOG_BYTES
  }

  /** Called after every commit, with the log written since the last checkpoint began. */
  committed(logBytes: number): void {
    if (this.isRunning || this.isStopped) return
    if (logBytes > this.logBytes && this.world.elapsedMs() >= this.notBeforeMs) this.run()
    else if (this.options.everyMs !== undefined && this.timer === undefined) {
      this.timer = this.world.after(this.options.everyMs, () => this.run())
    }
  }

  stop(): void {
    this.isStopped = true
    this.timer?.cancel()
  }

  private run(): void {
    this.timer?.cancel()
    this.timer = undefined
    if (this.isStopped) return
    this.isRunning = true
    this.checkpoint()
      .catch((error) => {
        this.notBeforeMs = this.world.elapsedMs() + RETRY_MS
        if (!this.isStopped) this.onFailure(error)
      })
      .finally(() => {
        this.isRunning = false
      })
  }
}
