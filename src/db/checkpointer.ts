import type { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import type { Timer, World } from '../heap/world'
import type { LogWriter } from '../log/log-writer'

export interface CheckpointOptions {
  /** Begin a checkpoint when so much log has been written since the last. Default 64 MiB. */
  readonly logBytes?: number
  /** And so many milliseconds after the last, when there was a commit. Default: not by time. */
  readonly intervalMs?: number
}

const DEFAULT_LOG_BYTES = 64 << 20
/** A checkpoint that failed is not tried again at once. */
const RETRY_MS = 5000

/** How long ago the last checkpoint was made, where there is log after it. */
export function checkpointAgeMs({ savedRoot, world }: Heap, { bytesSinceCheckpoint }: LogWriter): number {
  if (bytesSinceCheckpoint === 0) return 0
  return savedRoot === undefined ? Number.POSITIVE_INFINITY : world.nowMs() - savedRoot.timeMs
}

/** Begins checkpoints by the amount of log and by time, one at a time, beside everything else. */
export class Checkpointer {
  private readonly logBytes: number
  private timer: Timer | undefined
  private isRunning = false
  private isStopped = false
  private notBeforeMs = 0

  /** `ageMs`: how long ago the last checkpoint was made, in an earlier session; 0 where there is nothing after it. */
  constructor(
    private readonly options: CheckpointOptions,
    private readonly checkpoint: () => Promise<void>,
    private readonly onFailure: (error: SnapheapError) => void,
    private readonly world: World,
    private ageMs: number,
  ) {
    this.logBytes = options.logBytes ?? DEFAULT_LOG_BYTES
  }

  /** Called after every commit, with the log written since the last checkpoint began. */
  committed(logBytes: number): void {
    if (this.isRunning || this.isStopped) return
    if (logBytes > this.logBytes && this.world.elapsedMs() >= this.notBeforeMs) this.run()
    else if (this.options.intervalMs !== undefined && this.timer === undefined) {
      const delayMs = this.options.intervalMs - this.ageMs
      this.timer = this.world.after(Math.min(this.options.intervalMs, Math.max(0, delayMs)), () => this.run())
    }
  }

  stop(): void {
    this.isStopped = true
    this.timer?.cancel()
  }

  private run(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.ageMs = 0
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
