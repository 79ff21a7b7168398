import { SnapheapError } from '../../../src/errors'
import { type CommitRegistry, descends, type RegisteredChange, type RegisteredCommit } from './commit-registry'
import { SimulationFailure } from './history'
import type { SimulatedPath } from './simulated-path'
import { soundCommit } from './simulated-path'
import type { SimulatedProcess } from './simulated-process'
import { StoreOverFiles } from './store-over-files'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export type Mode = 'commit' | 'interval' | 'none'

export interface SessionOptions {
  readonly mode: Mode
  readonly retainBytes: number
  readonly segmentBytes: number
}

/** From the opening of a path for writing to its closing, or to the end of its process. */
export class WriterSession {
  readonly store: StoreOverFiles
  readonly tasks = new Set<Promise<void>>()
  /** What was wrong with something that nobody waited for. */
  failure: SimulationFailure | undefined
  /** Its lock, its file or its log was taken from it: nothing that it commits since may be acknowledged. */
  isRobbed = false
  isClosed = false
  commits = 0
  private readonly mode: Mode
  private readonly triedSince = new Set<RegisteredCommit>()
  /** Bulk loads that are open, of which one may end when the next has begun: nothing else is committed. */
  private loads = 0
  private readonly faultsAtOpening: number
  /** Failures there were when nothing was under way. */
  private quietFaults: number

  /** Throws what opening throws. */
  constructor(
    readonly process: SimulatedProcess,
    readonly path: SimulatedPath,
    private readonly registry: CommitRegistry,
    { mode, retainBytes, segmentBytes }: SessionOptions,
  ) {
    const { files, memory, world } = process
    this.mode = mode
    this.faultsAtOpening = this.quietFaults = files.faults
    for (const each of files.failedSyncs) if (each.startsWith(`${path.name}.log/`)) files.failedSyncs.delete(each)
    this.store = StoreOverFiles.over(path.in(files.device), {
      files,
      memory,
      world,
      durability: mode === 'interval' ? { intervalMs: 1e8, intervalBytes: 1e5 } : mode, // no timers
      ...(retainBytes > 0 ? { retain: { log: retainBytes } } : {}),
      segmentBytes,
      onFailure: (error) => this.note(() => this.expectExcused(error, 'the background', this.faultsAtOpening)),
    })
    if (mode === 'none') path.hasGaps = true
  }

  get isIdle(): boolean {
    return this.tasks.size === 0 && this.process.files.isIdle
  }

  get logsCommits(): boolean {
    return this.mode !== 'none'
  }

  write(): void {
    const { store, mode } = this
    const faults = this.faultsNow()
    const isPoisoned = this.isPoisoned && this.isIdle
    const { commit, apply } = this.attempt()
    try {
      store.write((tx) => apply(tx))
    } catch (error) {
      this.wasRejected(commit)
      this.expectExcused(error, 'write', faults)
      return
    }
    this.commits++
    if (this.process.files.isDead) return
    if (isPoisoned) throw new SimulationFailure('false error', 'a commit succeeded after a failed sync')
    if (mode === 'commit') this.acknowledge(commit)
  }

  writeAsync(): void {
    const { store, mode } = this
    const { commit, apply } = this.attempt()
    this.begin(
      'writeAsync',
      () => store.writeAsync((tx) => apply(tx)),
      () => {
        this.commits++
        if (mode === 'commit') this.acknowledge(commit)
      },
      () => this.wasRejected(commit),
    )
  }

  save(): void {
    this.path.checkpoints++
    const commit = this.shown()
    this.begin(
      'save',
      () => this.store.checkpoint(),
      () => this.keep(commit),
    )
  }

  compact(): void {
    this.path.checkpoints++
    const commit = this.shown()
    this.begin(
      'compact',
      () => this.store.compact(),
      () => this.keep(commit),
    )
  }

  sync(): void {
    const commit = this.shown()
    this.begin(
      'sync',
      () => this.store.sync(),
      () => this.keep(commit),
    )
  }

  /** A commit that is not logged, as large ones. */
  bulkLoad(): void {
    const { store, path } = this
    let commit: RegisteredCommit | undefined
    let hasBegun = false
    path.hasGaps = true
    const load = (): Promise<void> =>
      store.bulkWrite(
        async (tx) => {
          this.loads++
          hasBegun = true
          const change = this.attempt()
          commit = change.commit
          change.apply(tx)
        },
        { log: false },
      )
    const onSuccess = (): void => {
      this.commits++
      this.acknowledge(commit!)
    }
    const end = (): void => {
      if (hasBegun) this.loads--
    }
    this.begin('bulkLoad', () => load().finally(end), onSuccess)
  }

  /** Follows something that takes time. */
  begin(
    what: string,
    work: () => Promise<unknown>,
    onSuccess: () => void,
    onFailure: () => void = () => undefined,
  ): Promise<void> {
    const { files } = this.process
    const faults = this.faultsNow()
    const task: Promise<void> = work()
      .then(
        () => {
          if (!files.isDead) onSuccess()
        },
        (error) => {
          onFailure()
          this.expectExcused(error, what, faults)
        },
      )
      .catch((error) => this.note(() => rethrow(error)))
      .finally(() => this.tasks.delete(task))
    this.tasks.add(task)
    return task
  }

  /** What is shown now, whole. */
  shown(): RegisteredCommit {
    return this.registry.shownBy(this.store)
  }

  soundCommit(): RegisteredCommit {
    return soundCommit(this.registry, this.store, 'a writer')
  }

  async close(): Promise<void> {
    while (this.tasks.size > 0) await Promise.all(this.tasks)
    const { files } = this.process
    const commit = this.shown()
    try {
      await this.store.close()
      const isPromised = this.mode !== 'none' && !this.isPoisoned && !this.path.hasTakenBack(commit)
      if (isPromised && !files.isDead && !this.isRobbed) this.path.acknowledge(commit)
    } catch (error) {
      this.expectExcused(error, 'close', this.faultsAtOpening)
    }
    await this.end()
  }

  /** Its process ends, or has ended. */
  async kill(): Promise<void> {
    this.process.files.kill()
    await this.end()
  }

  private async end(): Promise<void> {
    const { process, path } = this
    await this.store.close().catch(() => undefined)
    while (this.tasks.size > 0) await Promise.all(this.tasks)
    this.isClosed = true
    process.session = undefined
    if (path.writer === this) path.writer = undefined
    while (!process.files.isIdle) await turn() // what a process has left is removed beside everything else
    const [open] = process.files.openFiles
    if (open !== undefined) throw new SimulationFailure('false error', `a closed database keeps ${open} open`)
    if (this.failure !== undefined) throw this.failure
  }

  /** An error is one of ours, and something was in the way. */
  expectExcused(error: unknown, what: string, faultsBefore: number): void {
    if (error instanceof SimulationFailure) throw error
    if (!(error instanceof SnapheapError)) throw new SimulationFailure('false error', `${what} threw ${error}`, error)
    const { faults, isDead } = this.process.files
    if (faults > faultsBefore || isDead || this.isPoisoned || this.isRobbed) return
    if (this.loads > 0 && error.code === 'BUSY') return
    if (faults > this.faultsAtOpening && error.message.endsWith('open it again.')) return // refused until then
    throw new SimulationFailure('false error', `${what}: ${error.message}`, error)
  }

  /** Failures that excuse none of what begins now. */
  faultsNow(): number {
    if (this.isIdle) this.quietFaults = this.process.files.faults
    return this.quietFaults
  }

  private get isPoisoned(): boolean {
    return [...this.process.files.failedSyncs].some((each) => each.startsWith(`${this.path.name}.log/`))
  }

  private attempt(): RegisteredChange {
    const change = this.registry.childOf(this.shown())
    this.path.isTried(change.commit)
    if (this.isRobbed) this.triedSince.add(change.commit)
    return change
  }

  private acknowledge(commit: RegisteredCommit): void {
    if (!this.isRobbed) this.path.acknowledge(commit)
    else if (this.triedSince.has(commit))
      throw new SimulationFailure('lost', `"${commit.token}" was acknowledged on ${this.path.name}, which was taken`)
  }

  /** The same for what was made before, which may have been taken back since. */
  private keep(commit: RegisteredCommit): void {
    if (descends(this.shown(), commit)) this.acknowledge(commit)
  }

  private wasRejected(commit: RegisteredCommit): void {
    if (!this.process.files.isDead && !this.isPoisoned) this.path.isGone(commit)
  }

  private note(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.failure ??= asFailure(error)
    }
  }
}

function rethrow(error: unknown): never {
  throw error
}

function asFailure(error: unknown): SimulationFailure {
  return error instanceof SimulationFailure ? error : new SimulationFailure('false error', `${error}`, error)
}
