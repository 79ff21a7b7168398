import type { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import { logFolderOf } from './format'
import { type Durability, LogWriter } from './log-writer'
import { type Recovery, recover } from './recovery'
import type { Retention } from './retention'

export interface OpenLogOptions {
  readonly durability: Durability
  readonly retention: Retention
  readonly segmentBytes: number
  /** Give up what is behind damage, even where it was on the device. */
  readonly isForced: boolean
  readonly onFailure: (error: SnapheapError) => void
}

/**
 * Brings a heap that has just been opened to the end of its log, and has that go on with its commits. Throws `CORRUPT`, `IO`.
 */
export function openLog(heap: Heap, options: OpenLogOptions): { log: LogWriter; recovery: Recovery } {
  const folder = logFolderOf(heap.path!)
  const checkpointVersion = heap.version
  const { end, ...recovery } = recover(heap, folder, { repair: true, isForced: options.isForced })
  const { memory, files } = heap
  const { durability, retention, segmentBytes, onFailure } = options
  const log = new LogWriter(
    { memory, files, folder, heapId: heap.id, durability, retention, segmentBytes, onFailure },
    end,
    heap.version,
    checkpointVersion,
  )
  heap.journal = log
  return { log, recovery }
}

/** Brings a heap that is open for reading to the end of its log, as far as that is whole now. */
export function readLog(heap: Heap): Recovery {
  const { commits, damaged } = recover(heap, logFolderOf(heap.path!), { repair: false, isForced: false })
  return { commits, damaged }
}
