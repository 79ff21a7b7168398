import { join } from 'node:path'
import { SnapheapError } from '../../../src/errors'
import { type CommitRegistry, descends, EMPTY, type RegisteredCommit } from './commit-registry'
import type { Device } from './device'
import { SimulationFailure } from './history'
import type { StoreOverFiles } from './store-over-files'
import type { WriterSession } from './writer-session'

/** What a database may say of files that somebody has mixed, removed or put there. */
const CODES_OF_TAMPERED: readonly string[] = ['CORRUPT', 'NOT_FOUND', 'EXISTS', 'IO', 'LOCKED']

/** A path of a machine, and what was promised about the database there. */
export class SimulatedPath {
  /** It shows a descendant of one of these. A new path promises nothing: there may be no file. */
  floors: readonly RegisteredCommit[] = [EMPTY]
  /** Who has it open for writing. */
  writer: WriterSession | undefined
  /** Somebody has put other files there: it may not open. */
  isTampered = false
  /** Files of more than one history were there: what is behind the state that it opens at may not be read. */
  isMixed = false
  /** What somebody has put there was on the device. */
  isSynced = false
  /** Commits of it were not logged: its log has gaps. */
  hasGaps = false
  /** Checkpoints that were begun. */
  checkpoints = 0
  /** Rises whenever its files are not what its followers have read. */
  generation = 0
  private readonly made = new Set<RegisteredCommit>()
  private readonly gone = new Set<RegisteredCommit>()

  constructor(readonly name: string) {}

  in(device: Device): string {
    return join(device.folder, this.name)
  }

  acknowledge(commit: RegisteredCommit): void {
    if (!this.floors.some((floor) => floor !== commit && descends(floor, commit))) this.floors = [commit]
  }

  /** A commit was tried on it. */
  isTried(commit: RegisteredCommit): void {
    this.made.add(commit)
  }

  /** A commit that was tried was taken back, for good. */
  isGone(commit: RegisteredCommit): void {
    this.gone.add(commit)
  }

  /** A writer may still show it, which could not read what was before. */
  hasTakenBack(commit: RegisteredCommit): boolean {
    return this.gone.has(commit)
  }

  /** Compares what it shows with what was promised; `NOT_FOUND` counts as `EMPTY`. */
  expectPromised(commit: RegisteredCommit, who: string): void {
    if (this.isTampered) return
    if (this.gone.has(commit))
      throw new SimulationFailure('torn', `${who} shows "${commit.token}" of ${this.name}, which was taken back`)
    if (!this.floors.some((floor) => descends(commit, floor)))
      throw new SimulationFailure('lost', `${who} shows "${commit.token}" of ${this.name}, not ${this.promised}`)
  }

  /** The same for one who may be behind: what it shows is of the history of what was promised. */
  expectRelated(commit: RegisteredCommit, who: string): void {
    if (this.isTampered || this.floors.some((floor) => descends(commit, floor) || descends(floor, commit))) return
    throw new SimulationFailure('torn', `${who} shows "${commit.token}" of ${this.name}, not of ${this.promised}`)
  }

  /** It was opened for writing: what it does not show now, it never shows again. */
  wasOpened(commit: RegisteredCommit, writer: WriterSession): void {
    this.expectPromised(commit, 'a writer')
    this.writer = writer
    if (this.isTampered) this.forget(this.isSynced ? [commit] : [EMPTY])
    this.isTampered = false
    for (const each of this.made) if (!descends(commit, each)) this.gone.add(each)
  }

  /** Its files are others from now on, which open. */
  wasReplaced(floors: readonly RegisteredCommit[]): void {
    this.forget(floors)
    this.isTampered = this.isMixed = this.hasGaps = false
    this.generation++
  }

  /** Somebody has put files there, or taken them away: `isSynced` where they are all on the device. */
  wasTampered(isSynced: boolean): void {
    this.isTampered = this.isMixed = this.hasGaps = true
    this.isSynced = isSynced
    this.generation++
  }

  /** What a failure to open it may be where nothing fails beneath. */
  expectExcused(error: unknown, who: string): void {
    if (error instanceof SimulationFailure) throw error
    if (!(error instanceof SnapheapError)) throw new SimulationFailure('false error', `${who} threw ${error}`, error)
    if (this.isTampered && CODES_OF_TAMPERED.includes(error.code)) return
    if (error.code === 'NOT_FOUND' && this.floors.includes(EMPTY)) return
    throw new SimulationFailure('false error', `${who}, ${this.name}: ${error.message}`, error)
  }

  private forget(floors: readonly RegisteredCommit[]): void {
    this.floors = floors
    this.made.clear()
    this.gone.clear()
  }

  private get promised(): string {
    return this.floors.map(({ token }) => `"${token}"`).join(' or ')
  }
}

/** The commit that an open database shows, whole and sound. */
export function soundCommit(registry: CommitRegistry, store: StoreOverFiles, who: string): RegisteredCommit {
  const { problems } = store.check()
  if (problems.length > 0) throw new SimulationFailure('torn', `${who}: ${problems.join('; ')}`)
  return registry.shownBy(store)
}
