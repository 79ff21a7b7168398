import { SnapheapError } from '../errors'
import type { Files } from './files'
import { ioError } from './io-error'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'
import { type DamagedBlock, damagedBlocks } from './placed-blocks'
import { PoolFile } from './pool-file'
import type { World } from './world'

/** How far a check of all blocks in the background is, or what it has found. */
export interface ScrubReport {
  /** Blocks of the file that were read and compared with their checksums, and how many there are. */
  readonly checkedBlocks: number
  readonly totalBlocks: number
  /** Of those: how many do not match. */
  readonly damagedBlocks: number
  /** Milliseconds since 1970 when it ended; undefined while it runs. */
  readonly finishedAtMs: number | undefined
}

export interface ScrubOptions {
  readonly bytesPerSecond: number
  /** Called with blocks that are damaged as soon as they are found. */
  readonly onDamage: (found: readonly DamagedBlock[]) => void
  /** Called with what keeps the check from going on, and with errors that name what it found. */
  readonly onFailure: (error: SnapheapError) => void
  readonly onDone: (report: ScrubReport) => void
}

/** Blocks read at once: comparing them takes less than 2 ms, also without native code. */
const BLOCKS_PER_READ = 16
/** What a slow device or a busy process has kept it from is not made up for beyond this. */
const MOST_BEHIND_MS = 100
const LONGEST_PAUSE_MS = 2 ** 31 - 1
/** Found one after the other, more are only counted. */
const MOST_REPORTS = 10

/**
 * Reads every block of the file at a path once, at a bounded rate, while the file is in use, and compares it with
 * its checksum. Where the file gets a newer state meanwhile, it goes on with what that has and was not read yet.
 */
export class Scrub {
  private checkedBlocks = 0
  private totalBlocks = 0
  private damaged = 0
  private reports = 0
  private finishedAtMs: number | undefined
  private isStopped = false
  private wake: () => void = () => undefined
  private readonly done: Promise<void>

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    private readonly world: World,
    private readonly path: string,
    private readonly options: ScrubOptions,
  ) {
    this.done = this.run()
  }

  get report(): ScrubReport {
    const { checkedBlocks, totalBlocks, damaged, finishedAtMs } = this
    return { checkedBlocks, totalBlocks, damagedBlocks: damaged, finishedAtMs }
  }

  /** Ends it. Resolves when it reads no more. Idempotent. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.wake()
    await this.done
  }

  private async run(): Promise<void> {
    await this.pause(0) // opening has returned by then
    try {
      while (await this.checkFile());
    } catch (error) {
      // a database without a file has nothing that could be damaged
      const isMissing = error instanceof SnapheapError && error.code === 'NOT_FOUND'
      if (!isMissing && !this.isStopped) this.options.onFailure(ioError('check', this.path, error))
    }
    if (this.isStopped) return
    this.finishedAtMs = this.world.nowMs()
    this.options.onDone(this.report)
  }

  /** Checks all of the file that has the path. Whether another has it by now. */
  private async checkFile(): Promise<boolean> {
    if (this.isStopped || !this.files.exists(this.path)) return false
    const file = PoolFile.open(this.memory, this.files, this.path, false)
    try {
      let isChecked = new Uint8Array(0)
      do {
        isChecked = grown(isChecked, file.root.fileBlocks)
        await this.checkState(file, isChecked)
      } while (!this.isStopped && file.reread())
      return !this.isStopped && this.files.exists(this.path) && !file.isAt(this.path)
    } finally {
      file.close()
    }
  }

  private async checkState(file: PoolFile, isChecked: Uint8Array): Promise<void> {
    const placed = file.placedBlocks()
    this.totalBlocks = placed.count
    this.checkedBlocks = placed.countMarked(isChecked)
    const { world } = this
    let dueMs = world.elapsedMs()
    for await (const { run, damaged } of placed.checkAsync(this.files, file, BLOCKS_PER_READ, isChecked)) {
      if (this.isStopped) return
      isChecked.fill(1, run.from, run.from + run.count)
      this.checkedBlocks += run.count
      if (damaged.length > 0) this.found(damaged)
      dueMs += (run.count * BLOCK_BYTES * 1000) / this.options.bytesPerSecond
      dueMs = Math.max(dueMs, world.elapsedMs() - MOST_BEHIND_MS)
      await this.pause(dueMs - world.elapsedMs())
      if (this.isStopped) return
    }
  }

  private found(damaged: readonly DamagedBlock[]): void {
    this.damaged += damaged.length
    this.options.onDamage(damaged)
    if (this.reports++ < MOST_REPORTS) this.options.onFailure(damagedBlocks(this.path, damaged))
  }

  private async pause(delayMs: number): Promise<void> {
    if (this.isStopped || delayMs < 0) return
    await new Promise<void>((resolve) => {
      const timer = this.world.after(Math.min(delayMs, LONGEST_PAUSE_MS), resolve)
      this.wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

function grown(isChecked: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(Math.max(length, isChecked.length))
  longer.set(isChecked)
  return longer
}
