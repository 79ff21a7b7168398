import type { Heap } from '../heap/heap'
import { LogCursor } from './cursor'
import { type DurableMark, readDurableMark } from './durable-mark'
import { logFolderOf } from './format'

/** The newest version of a heap's log that is known to be on the device, before anything of the log is read. Throws the system's errors. */
export function durableVersion(heap: Heap): number {
  const limit = new DurableLimit(heap)
  limit.read()
  return limit.of(undefined)
}

/**
 * Up to which version a follower may go: what is known to be on the device. The log's mark says so, or records say it of those
 * before them, and a state of the heap's file is durable with its root. A log without a mark is shown whole: its writer makes none, or
 * it is a copy.
 */
export class DurableLimit {
  private mark: DurableMark | 'none' | 'torn' = 'torn'
  /** One whose commit has another checksum: it is another log's, or of commits that were cut off. */
  private foreign: DurableMark | undefined

  constructor(private readonly heap: Heap) {}

  /** Looks at the mark. Throws the system's errors. */
  read(): void {
    const { memory, files, path } = this.heap
    this.mark = readDurableMark(memory, files, logFolderOf(path!))
  }

  /** The newest version that may be shown, by somebody who has read up to where `cursor` is. */
  of(cursor: Pick<LogCursor, 'syncedVersion'> | undefined): number {
    const { mark, foreign } = this
    if (mark === 'none') return Number.POSITIVE_INFINITY
    const known = Math.max(cursor?.syncedVersion ?? 0, this.heap.savedRoot?.version ?? 0)
    if (mark === 'torn' || (foreign?.version === mark.version && foreign.checksum === mark.checksum))
      return Math.max(known, this.namedByRecords())
    return Math.max(known, mark.version)
  }

  /** What records say that are beyond what is shown: read where no mark does. */
  private namedByRecords(): number {
    const { memory, files, path, id, version } = this.heap
    const cursor = new LogCursor(memory, files, logFolderOf(path!), version === 0 ? undefined : id, version)
    try {
      while (typeof cursor.next() !== 'string');
      return cursor.syncedVersion
    } finally {
      cursor.close()
    }
  }

  /** Whether the mark names the commit that `cursor` has just read, if it names that version at all; if not, it counts no more. */
  fits({ version, checksum, place }: Pick<LogCursor, 'version' | 'checksum' | 'place'>): boolean {
    const { mark } = this
    if (typeof mark === 'string' || place === undefined || mark.version !== version) return true
    if (mark.checksum === checksum >>> 0) return true
    this.foreign = mark
    return false
  }
}
