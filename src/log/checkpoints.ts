import { ioError } from '../heap/pool-file'
import type { LogOptions } from './log-options'
import { keepBase, keepsHistory, prune } from './retention'

/** What the log knows of the heap's checkpoints: how much log there is since the last, and which log is needed no more. */
export class LogCheckpoints {
  /** Log written since the last checkpoint began. */
  bytesSince = 0
  private bytesAtBegin = 0

  constructor(
    private readonly options: LogOptions,
    /** Version of the last one. */
    private previous: number,
  ) {}

  begins(): void {
    this.bytesAtBegin = this.bytesSince
  }

  /** Removes log that is needed no more. Throws `IO`. */
  async done(version: number): Promise<void> {
    this.bytesSince -= this.bytesAtBegin
    const { memory, files, world, path, folder, retention } = this.options
    const keepFrom = this.previous
    this.previous = version
    try {
      await prune(memory, files, world, path, folder, keepFrom, retention)
    } catch (error) {
      throw ioError('prune', folder, error)
    }
  }

  /** Keeps the file that is about to be replaced, where points in time need it. Throws `IO`. */
  replacesFile(version: number): void {
    const { files, path, folder, retention } = this.options
    if (!keepsHistory(retention)) return
    try {
      keepBase(files, path, folder, version)
    } catch (error) {
      throw ioError('keep', folder, error)
    }
  }
}
