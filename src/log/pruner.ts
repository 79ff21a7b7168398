import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import { RECORD } from './format'
import { basesOf, keptFilesOf } from './history'
import { keepsHistory, type Retention } from './retention'
import { contentsEnd, listSegments, type Segment } from './segments'
import { SteadyClock } from './steady-clock'
import { Times } from './times'

/**
 * Removes log after each checkpoint: segments whose commits neither recovery from the last two checkpoints needs, nor a
 * point in time within the retention. A state in a file, and every commit after it, are kept for the oldest such point.
 * Then earlier files that nothing needs any more.
 */
export class Pruner {
  private readonly clock: SteadyClock
  private previousCheckpoint: number
  private holders = 0

  /** To be made when the heap has the state of its file, before the log is replayed. */
  constructor(
    private readonly heap: Pick<Heap, 'memory' | 'files' | 'world' | 'id' | 'path' | 'version' | 'savedRoot'>,
    private readonly folder: string,
    private readonly retention: Retention,
  ) {
    this.previousCheckpoint = heap.version
    this.clock = new SteadyClock(heap.world, heap.savedRoot?.timeMs)
  }

  /**
   * Has nothing removed until the function returned is called. What there was to remove goes with the next checkpoint.
   */
  hold(): () => void {
    this.holders++
    let isHeld = true
    return () => {
      if (isHeld) this.holders--
      isHeld = false
    }
  }

  /** The file holds everything up to a version, durably. Throws `IO`. */
  async checkpointed(version: number): Promise<void> {
    const keepFrom = this.previousCheckpoint
    this.previousCheckpoint = version
    const nowMs = this.clock.nowMs()
    try {
      if (this.holders === 0) await this.prune(keepFrom, nowMs)
    } catch (error) {
      throw ioError('prune', this.folder, error)
    }
  }

  private async prune(keepFrom: number, nowMs: number): Promise<void> {
    const { folder } = this
    const { memory, files, id } = this.heap
    const path = this.heap.path!
    const { segments } = listSegments(memory, files, folder, id)
    const oldestKept = keepsHistory(this.retention) ? firstRetained(files, segments, this.retention, nowMs) : undefined
    // one for each checkpoint since the file was last rewritten: read only where they decide
    const bases = oldestKept === undefined ? [] : basesOf(memory, files, path)
    const base = oldestKept === undefined ? undefined : bases.find(({ root }) => root.version <= oldestKept)
    const from = Math.min(keepFrom, oldestKept === undefined ? keepFrom : (base?.root.version ?? 0))
    for (let i = 0; i + 1 < segments.length && segments[i + 1].header.baseVersion <= from; i++)
      await files.removeAsync(segments[i].path)
    const isNeeded = (each: string): boolean =>
      oldestKept !== undefined &&
      (base === undefined || bases.some(({ path: other, root }) => other === each && root.version >= base.root.version))
    for (const each of keptFilesOf(files, path)) if (!isNeeded(each)) await files.removeAsync(each)
  }
}

/** Version before the first commit that is to be kept for its own sake. */
function firstRetained(
  files: Files,
  segments: readonly Segment[],
  { ms, bytes }: Retention,
  nowMs: number,
): number | undefined {
  const measured = segments.map((each) => measure(files, each))
  const times = new Times()
  for (const [i, { header }] of segments.entries()) {
    const next = segments[i + 1]?.header.baseVersion ?? header.baseVersion + 1
    const { timeMs } = measured[i]
    if (timeMs !== undefined) times.add(header.baseVersion + 1, timeMs, next - header.baseVersion)
  }
  const order = times.order(nowMs)
  const isOld = segments.map(({ header }, i) => {
    const { timeMs } = measured[i]
    // whether one begins within the time is not known where its clock was wrong: another decides
    return ms === 0 || timeMs === undefined || (order.isInLine(header.baseVersion + 1) && timeMs < nowMs - ms)
  })
  let size = 0
  let kept = segments.length - 1
  for (; kept > 0; kept--) {
    size += measured[kept].sizeBytes
    // a segment is kept when the one after it begins within the time: it may hold commits that are within it too
    if (size >= bytes && isOld[kept]) break
  }
  return segments[Math.max(0, kept)]?.header.baseVersion
}

/** How much a segment holds, and the clock of its first record. */
function measure(files: Files, { path, header }: Segment): { sizeBytes: number; timeMs: number | undefined } {
  const fd = files.open(path, 'r')
  try {
    const head = new Uint8Array(header.recordUnits * 4)
    const count = files.read(fd, head, header.sizeBytes)
    const timeMs = count < head.length ? undefined : new DataView(head.buffer).getFloat64(RECORD.timeMs * 4, true)
    return { sizeBytes: contentsEnd(files, fd, header.sizeBytes), timeMs }
  } finally {
    files.close(fd)
  }
}
