/**
 * Half of what the kernel keeps of a stream of small messages before it holds the server back: a receive buffer of
 * 128 KB, of which a message of 60 bytes takes some 500 (16 KB of messages, measured on Linux over loopback).
 */
const BUSY_BYTES = 8_192

/**
 * Spaces out the reads of a socket, so that small messages are read together. While the server sends more than that
 * within the interval there are no pauses: the buffers of the kernel must not bound the throughput.
 */
export class ReadPace {
  private startMs = 0
  private receivedBytes = 0
  private isBusy = false

  constructor(private readonly intervalMs: number) {}

  /** Milliseconds to wait after a chunk before the next one is read. */
  pauseAfter(chunkBytes: number): number {
    if (this.intervalMs === 0) return 0
    this.receivedBytes += chunkBytes
    const nowMs = performance.now()
    if (nowMs - this.startMs >= this.intervalMs) {
      this.isBusy = this.receivedBytes >= BUSY_BYTES
      this.receivedBytes = 0
      this.startMs = nowMs
    }
    return this.isBusy ? 0 : this.intervalMs
  }
}
