import type { SnapheapError } from '../errors'
import { ioError } from '../heap/io-error'
import type { LogOptions } from './log-options'
import { keepBase, keepsHistory } from './retention'

/**
 * What the log knows of the heap's checkpoints: how much log there is since the last, and which log is needed no more.
 */
export class LogCheckpoints {
  private bytesAtBegin = 0

  constructor(
    private readonly options: LogOptions,
    /** Log written since the last checkpoint began. */
    public bytesSince: number,
  ) {}

  begins(): void {
    this.bytesAtBegin = this.bytesSince
  }

  /** Removes log that is needed no more. A failure of that is reported, and the next checkpoint tries again. */
  async done(version: number): Promise<void> {
    this.bytesSince -= this.bytesAtBegin
    const { pruner, onFailure } = this.options
    try {
      await pruner.checkpointed(version)
    } catch (error) {
      onFailure(error as SnapheapError) // the checkpoint is durable all the same
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
