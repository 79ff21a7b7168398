import { EventEmitter } from 'node:events'
import { DURATION_MS, ensure, ensureOptions, type Rule } from '../arguments'
import { SnapheapError } from '../errors'
import type { FolderWatcher } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import type { Timer } from '../heap/world'
import { LogCursor, type LogEnd, type LogStart } from './cursor'
import { DurableLimit } from './durable-limit'
import { logFolderOf } from './format'
import { DamageSearch, missing } from './log-damage'
import { type LogReader, replay } from './recovery'
import { RepeatedFailure } from './repeated-failure'

export interface FollowingEvents {
  /** The database shows another version now. */
  change: [version: number]
  /** What keeps it from going on, told once until it changes. It tries again. */
  failure: [error: SnapheapError]
}

export interface FollowingLag {
  /** Bytes of log that are not shown yet, those that are not on the device included. */
  readonly bytes: number
  /**
   * Milliseconds since the newest commit that is shown was made, or since nothing was missing, if that is less: a wrong
   * clock does not make it longer. 0 when nothing is known to be missing.
   */
  readonly ms: number
}

const VERSION: Rule = [(value) => typeof value === 'number' && value >= 0, 'a version, as db.version tells it']

/** The file system tells of changes; should it fail to, a look so often finds them. */
const LOOK_INTERVAL_MS = 50
/** A newer state of the file is looked for so often. */
const LOOK_AT_FILE_INTERVAL_MS = 1000
/** Where nothing has come for so long, what may be in the way is looked for, and so often from then on. */
const SEARCH_INTERVAL_MS = 1000

export interface FollowingOptions {
  /** Show commits before they are on the device. */
  readonly isUnsynced: boolean
  /** Called with a failure that no listener hears. */
  readonly onFailure: (error: SnapheapError) => void
}

/**
 * Keeps a heap that is open for reading in step with the process that writes it: reads the log as it grows, as far as
 * that is on the device, and takes over the file's newer states. Knows nothing of the writer but the files, so neither
 * can harm the other.
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
  private readonly limit: DurableLimit | undefined
  private readonly failures: RepeatedFailure
  /** What stands in the way, found when damage was last looked for. */
  private obstacle: SnapheapError | undefined
  private search: DamageSearch | undefined
  private searchedMs: number
  private readonly waiting = new Set<{ version: number; resolve: () => void; reject: (error: Error) => void }>()
  private isClosed = false

  /** Goes on where `reader` has read to. */
  constructor(
    private readonly heap: Heap,
    reader: LogReader,
    options: FollowingOptions,
  ) {
    super()
    if (!options.isUnsynced) this.limit = new DurableLimit(heap)
    this.failures = new RepeatedFailure((error) => {
      if (this.listenerCount('failure') > 0) this.emit('failure', error)
      else options.onFailure(error)
    })
    this.redo = reader.redo
    this.cursor = reader.cursor
    this.lookedAtFileMs = this.searchedMs = this.readAllMs = heap.world.elapsedMs()
    this.timer = heap.world.every(LOOK_INTERVAL_MS, () => this.look())
    this.watchFolder()
    this.look()
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
    ensure('following.waitFor()', version, VERSION)
    ensureOptions('following.waitFor()', options, { timeoutMs: DURATION_MS })
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
      const nowMs = this.heap.world.elapsedMs()
      const end = this.readLog()
      if (nowMs - this.lookedAtFileMs >= LOOK_AT_FILE_INTERVAL_MS) this.takeFile(nowMs)
      this.lookForObstacle(end, nowMs, this.heap.version !== before || this.hasStartedOver)
      if (this.obstacle === undefined) this.failures.isOver()
      else this.failures.happened(this.obstacle)
    } catch (error) {
      if (!(error instanceof SnapheapError || (error as NodeJS.ErrnoException).code !== undefined)) throw error
      this.failures.happened(ioError('read', this.heap.path!, error))
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

  /** Reads on. Returns why there is nothing more to be read. */
  private readLog(): LogEnd {
    const { limit, cursor } = this
    limit?.read()
    const end = this.replay()
    if (end === 'end') this.readAllMs = this.heap.world.elapsedMs()
    if (end === 'gap' || end === 'damaged' || !cursor.holdsLast()) {
      this.takeFile(this.heap.world.elapsedMs())
      return this.replay() // from the file, or from a segment that has replaced the one that was read
    }
    if (limit?.fits(cursor) === false) this.startOver()
    return end
  }

  private replay(): LogEnd {
    const { heap, cursor, redo } = this
    const until = this.limit?.of(cursor)
    if (until !== undefined && until <= cursor.version && cursor.place !== undefined) return 'beyond'
    return replay(heap, cursor, until, redo).end
  }

  /**
   * Takes the file's newest state over; where commits that are shown were taken back, that and the log are what is
   * left.
   */
  private takeFile(nowMs: number): void {
    this.lookedAtFileMs = nowMs
    const { heap, redo } = this
    if (!heap.files.exists(heap.path!) && !this.cursor.holdsLast()) this.expectLog()
    const { savedRoot } = heap
    const hasOther = heap.takeNewerFile(
      (block) => redo.changedIn.get(block) ?? 0,
      (root) => this.cursor.holdsLast() && (root === undefined || redo.fits(root)),
      this.limit !== undefined,
    )
    const mayFit = this.cursor.isOfOtherHistory && heap.savedRoot !== savedRoot
    if (hasOther || mayFit) this.readAnew()
    else redo.forget(heap.savedRoot?.version ?? 0)
  }

  /** Shows what file and log hold, up to what is known to be on the device. */
  private startOver(): void {
    this.heap.returnToFile()
    this.readAnew()
  }

  private readAnew(): void {
    this.redo.forget(Number.POSITIVE_INFINITY)
    this.hasStartedOver = true
    this.cursor.close()
    this.cursor = this.cursorFrom(this.heap.point)
    this.replay()
  }

  private lookForObstacle(end: LogEnd, nowMs: number, hasMoved: boolean): void {
    if (hasMoved || end === 'beyond') this.obstacle = this.search = undefined
    if (hasMoved) this.searchedMs = nowMs
    if (nowMs - this.searchedMs < SEARCH_INTERVAL_MS) return
    this.searchedMs = nowMs
    this.obstacle = this.obstacleAt(end)
  }

  /** What keeps the follower from going on where the log has more; undefined where nothing is known to. */
  private obstacleAt(end: LogEnd): SnapheapError | undefined {
    const { heap, cursor } = this
    if (end === 'beyond') return undefined
    if (end === 'damaged') return cursor.damage
    if (end === 'gap') return missing(logFolderOf(heap.path!), heap.version)
    const { place } = cursor
    if (place === undefined || cursor.bytesBehind === 0) return undefined
    if (this.search?.place.path !== place.path || this.search.place.offsetBytes !== place.offsetBytes)
      this.search = new DamageSearch(heap.memory, heap.files, place, Math.max(cursor.version, heap.version) + 1)
    return this.obstacle ?? this.search.look()
  }

  /** Without a file, the log from its first commit on is all there is. */
  private expectLog(): void {
    const cursor = this.cursorFrom({ version: 0 })
    const first = cursor.next()
    const isThere = cursor.place !== undefined // though it may hold no commit, as when its writer took all of them back
    cursor.close()
    if (isThere || typeof first !== 'string') return
    const { path } = this.heap
    throw new SnapheapError(
      'NOT_FOUND',
      `${path} and its log do not exist any more. Put them back; until then, the last version read is shown.`,
      { path },
    )
  }

  private cursorFrom(start: LogStart): LogCursor {
    const { memory, files, path, id, world } = this.heap
    return new LogCursor(memory, files, logFolderOf(path!), id, start, world)
  }

  private watchFolder(): void {
    // or looking from time to time has to do
    this.watcher = this.heap.files.watch(logFolderOf(this.heap.path!), () => this.look())
  }
}

function closed(): SnapheapError {
  return new SnapheapError('CLOSED', 'The database is closed. Open it again.')
}

function timedOut(version: number, timeoutMs: number): SnapheapError {
  return new SnapheapError(
    'TIMEOUT',
    `Version ${version} has not come within ${timeoutMs} ms. Check that its writer runs, or wait longer with { ` +
      'timeoutMs }.',
  )
}
