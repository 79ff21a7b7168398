import { EventEmitter } from 'node:events'
import { DURATION_MS, ensure, ensureOptions, type Rule } from '../arguments'
import { SnapheapError } from '../errors'
import type { FolderWatcher } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/pool-file'
import type { Timer } from '../heap/world'
import { LogCursor } from './cursor'
import { logFolderOf } from './format'
import { type LogReader, replay } from './recovery'

export interface FollowingEvents {
  /** The database shows another version now. */
  change: [version: number]
  /** What keeps it from going on. It tries again. */
  failure: [error: SnapheapError]
}

export interface FollowingLag {
  /** Bytes of log not read yet. */
  readonly bytes: number
  /**
   * Milliseconds since the newest commit that is shown was made, or since nothing was missing, if that is less: a wrong clock does
   * not make it longer. 0 when nothing is known to be missing.
   */
  readonly ms: number
}

const VERSION: Rule = [(value) => typeof value === 'number' && value >= 0, 'a version, as db.version tells it']

/** The file system tells of changes; should it fail to, a look so often finds them. */
const LOOK_EVERY_MS = 50
/** A newer state of the file is looked for so often. */
const LOOK_AT_FILE_EVERY_MS = 1000

/**
 * Keeps a heap that is open for reading in step with the process that writes it: reads the log as it grows, and takes over
 * the file's newer states. Knows nothing of the writer but the files, so neither can harm the other.
 */
export class Following extends EventEmitter<FollowingEvents> {
  private cursor: LogCursor
  private readonly redo: LogReader['redo']
  private watcher: FolderWatcher | undefined
  private readonly timer: Timer
  private lookedAtFileMs: number
  /** When the log was last read to its end. */
  private readAllMs: number
  private hasStartedOver = false
  private readonly waiting = new Set<{ version: number; resolve: () => void; reject: (error: Error) => void }>()
  private isClosed = false

  /** Goes on where `reader` has read to. */
  constructor(
    private readonly heap: Heap,
    reader: LogReader,
  ) {
    super()
    this.redo = reader.redo
    this.cursor = reader.cursor
    this.lookedAtFileMs = this.readAllMs = heap.world.elapsedMs()
    this.timer = heap.world.every(LOOK_EVERY_MS, () => this.look())
    this.watchFolder()
  }

  /** How far what is shown is behind what the writer has logged. */
  lag(): FollowingLag {
    const bytes = this.cursor.bytesBehind
    if (bytes === 0) return { bytes, ms: 0 }
    const { world } = this.heap
    const ms = Math.min(world.nowMs() - this.cursor.timeMs, world.elapsedMs() - this.readAllMs)
    return { bytes, ms: Math.max(1, ms) }
  }

  /** Resolves when `version` can be read. Throws `TIMEOUT` after `timeoutMs` (default 10 000), `CLOSED`. */
  async waitFor(version: number, options: { timeoutMs?: number } = {}): Promise<void> {
    ensure('What waitFor waits for', version, VERSION)
    ensureOptions('waitFor', options, { timeoutMs: DURATION_MS })
    const { timeoutMs = 10_000 } = options
    if (this.isClosed) throw closed()
    this.look()
    if (this.heap.version >= version) return
    await new Promise<void>((resolve, reject) => {
      const wait = { version, resolve: () => done(resolve), reject: (error: Error) => done(() => reject(error)) }
      const timer = setTimeout(() => wait.reject(timedOut(version, timeoutMs)), timeoutMs)
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        this.waiting.delete(wait)
        settle()
      }
      this.waiting.add(wait)
    })
  }

  /** Reads what there is now. Called by itself; call it to be sure. */
  look(): void {
    if (this.isClosed || this.heap.writer.isWriting) return
    const before = this.heap.version
    this.hasStartedOver = false
    try {
      this.readLog()
      this.lookAtFile()
    } catch (error) {
      if (!(error instanceof SnapheapError || (error as NodeJS.ErrnoException).code !== undefined)) throw error
      if (this.listenerCount('failure') > 0) this.emit('failure', ioError('read', this.heap.path!, error))
    }
    if (this.heap.version === before && !this.hasStartedOver) return
    for (const wait of this.waiting) if (this.heap.version >= wait.version) wait.resolve()
    this.emit('change', this.heap.version)
  }

  close(): void {
    this.isClosed = true
    this.timer.cancel()
    this.watcher?.close()
    this.cursor.close()
    for (const wait of this.waiting) wait.reject(closed())
  }

  private readLog(): void {
    const { end } = replay(this.heap, this.cursor, undefined, this.redo)
    if (end === 'end') this.readAllMs = this.heap.world.elapsedMs()
    if (end === 'gap' || end === 'damaged' || !this.cursor.holdsLast()) this.takeFile()
  }

  private lookAtFile(): void {
    if (this.heap.world.elapsedMs() - this.lookedAtFileMs >= LOOK_AT_FILE_EVERY_MS) this.takeFile()
  }

  /** Takes the file's newest state over; where commits that are shown were taken back, that and the log are what is left. */
  private takeFile(): void {
    this.lookedAtFileMs = this.heap.world.elapsedMs()
    const { heap, redo } = this
    if (!heap.files.exists(heap.path!) && !this.cursor.holdsLast()) this.expectLog()
    const hasOther = heap.takeNewerFile(
      (block) => redo.changedIn.get(block) ?? 0,
      () => this.cursor.holdsLast(),
    )
    redo.forget(hasOther ? Number.POSITIVE_INFINITY : (heap.savedRoot?.version ?? 0))
    if (!hasOther) return
    this.hasStartedOver = true
    this.cursor.close()
    this.cursor = this.cursorFrom(heap.version)
    replay(heap, this.cursor, undefined, redo)
  }

  /** Without a file, the log from its first commit on is all there is. */
  private expectLog(): void {
    const cursor = this.cursorFrom(0)
    const first = cursor.next()
    const isThere = cursor.place !== undefined // though it may hold no commit, as when its writer took all of them back
    cursor.close()
    if (isThere || typeof first !== 'string') return
    const { path } = this.heap
    throw new SnapheapError(
      'NOT_FOUND',
      `${path} and its log are not there any more. Put them back; until then, what was read last is shown.`,
      { path },
    )
  }

  private cursorFrom(version: number): LogCursor {
    const { memory, files, path, id, world } = this.heap
    return new LogCursor(memory, files, logFolderOf(path!), id, version, world)
  }

  private watchFolder(): void {
    this.watcher = this.heap.files.watch(logFolderOf(this.heap.path!), () => this.look()) // or looking from time to time has to do
  }
}

function closed(): SnapheapError {
  return new SnapheapError('CLOSED', 'The database is closed. Open it again.')
}

function timedOut(version: number, timeoutMs: number): SnapheapError {
  return new SnapheapError(
    'TIMEOUT',
    `Version ${version} has not come within ${timeoutMs} ms. Check that its writer runs, or wait longer with { timeoutMs }.`,
  )
}
