import { join } from 'node:path'
import { verifyDatabase } from '../../../src/db/verify'
import { SnapheapError } from '../../../src/errors'
import type { Memory } from '../../../src/heap/memory'
import type { World } from '../../../src/heap/world'
import { history } from '../../../src/log/history'
import { ancestorOf, type CommitRegistry, EMPTY, type RegisteredCommit } from './commit-registry'
import type { Device } from './device'
import type { FileTools } from './file-tools'
import { SimulationFailure } from './history'
import { type SimulatedPath, soundCommit } from './simulated-path'
import { StoreOverFiles } from './store-over-files'

/** How long before and after a commit points in time are asked for. */
const NEAR_MS = 90_000

/** Processes that only read, for which nothing fails. */
export class PathReaders {
  constructor(
    private readonly device: Device,
    private readonly tools: FileTools,
    private readonly registry: CommitRegistry,
    private readonly given: Memory,
    private readonly world: World,
    private readonly random: () => number,
  ) {}

  private get options() {
    const { files } = this.tools
    return { files, world: this.world, memory: files.memoryFrom(this.given) }
  }

  /** The commit that a path opens at for reading, or the error. */
  async commitOf(path: SimulatedPath): Promise<RegisteredCommit | SnapheapError> {
    let store: StoreOverFiles
    try {
      store = StoreOverFiles.over(path.in(this.device), { ...this.options, readOnly: true })
    } catch (error) {
      path.expectExcused(error, 'a reader')
      return error as SnapheapError
    }
    try {
      return soundCommit(this.registry, store, 'a reader')
    } finally {
      await store.close()
    }
  }

  /** Reads it as it is, beside a writer too. */
  async read(path: SimulatedPath): Promise<void> {
    const commit = await this.commitOf(path)
    if (!(commit instanceof SnapheapError)) path.expectPromised(commit, 'a reader')
  }

  /** While nobody writes: `verify`, opening for reading, and opening a copy for writing agree. */
  async verify(path: SimulatedPath, scratch: string): Promise<void> {
    const read = await this.commitOf(path)
    const { memory, files } = this.options
    const verified = await verifyDatabase(memory, files, path.in(this.device)).catch((error: unknown) => error)
    if (verified instanceof SnapheapError) {
      if (read instanceof SnapheapError || path.isMixed) return // it reads more than opening does
      throw new SimulationFailure('false error', `verify of ${path.name}: ${verified.message}`, verified)
    }
    if (verified instanceof Error) throw verified
    const { version } = verified as { version: number }
    if (read instanceof SnapheapError)
      throw new SimulationFailure('false error', `${path.name} is verified and does not open: ${read.message}`, read)
    if (version !== read.version)
      throw new SimulationFailure('torn', `${path.name} is verified at ${version} and opens at ${read.version}`)
    await this.openCopy(path, scratch, read)
  }

  private async openCopy(path: SimulatedPath, scratch: string, expected: RegisteredCommit): Promise<void> {
    const { tools, device } = this
    const copied = join(device.folder, scratch)
    if (tools.files.exists(path.in(device))) tools.copyFile(path.in(device), copied)
    tools.copyLog(path.in(device), copied, true)
    try {
      const store = StoreOverFiles.over(copied, this.options)
      try {
        const commit = soundCommit(this.registry, store, 'a copy')
        if (commit !== expected)
          throw new SimulationFailure('torn', `a copy opens at "${commit.token}", not "${expected.token}"`)
      } finally {
        await store.close()
      }
    } catch (error) {
      if (error instanceof SimulationFailure) throw error
      throw new SimulationFailure('false error', `a copy of ${path.name}, which is verified: ${error}`, error)
    }
    tools.removeDatabase(copied)
  }

  /** What history lists is the past of what is shown, in the order of time, and can be opened. */
  async lookBack(path: SimulatedPath): Promise<void> {
    const newest = await this.commitOf(path)
    if (newest instanceof SnapheapError || newest === EMPTY) return
    try {
      const nowMs = this.world.nowMs()
      const frozen = { ...this.world, nowMs: () => nowMs }
      const { files, memory } = this.options
      const commits = [...history(memory, files, path.in(this.device), frozen)]
      this.expectOrder(commits.map(({ time, version }) => [time.getTime(), version]))
      const listed = commits.map(({ version }) => version).filter((version) => version <= newest.version)
      if (listed.length === 0) return
      const version = listed[Math.floor(this.random() * listed.length)]
      await this.openAt(path, version, newest, frozen)
      const { time } = commits[Math.floor(this.random() * commits.length)]
      const times = [this.random(), this.random()].map((each) => time.getTime() + (each - 0.5) * NEAR_MS)
      const found: [number, number][] = []
      for (const timeMs of times.sort((a, b) => a - b)) {
        const commit = await this.openAt(path, new Date(timeMs), newest, frozen)
        if (commit !== undefined) found.push([timeMs, commit.version])
      }
      this.expectOrder(found)
    } catch (error) {
      if (error instanceof SnapheapError && (path.isMixed || path.isTampered)) return
      path.expectExcused(error, 'looking back')
    }
  }

  private expectOrder(found: readonly (readonly [number, number])[]): void {
    for (let i = 1; i < found.length; i++)
      if (found[i][0] < found[i - 1][0] || found[i][1] < found[i - 1][1])
        throw new SimulationFailure('torn', `times do not ascend with versions: ${JSON.stringify(found)}`)
  }

  private async openAt(
    path: SimulatedPath,
    point: number | Date,
    newest: RegisteredCommit,
    world: World,
  ): Promise<RegisteredCommit | undefined> {
    let store: StoreOverFiles
    try {
      store = StoreOverFiles.at(path.in(this.device), point, { ...this.options, world })
    } catch (error) {
      if (error instanceof SnapheapError && error.code === 'NOT_FOUND') return undefined
      throw error
    }
    try {
      const commit = soundCommit(this.registry, store, 'a point in time')
      if (typeof point === 'number' && commit.version !== point)
        throw new SimulationFailure('torn', `version ${point} is found as ${commit.version}`)
      const isPast = commit.version <= newest.version && commit !== EMPTY
      if (isPast && ancestorOf(newest, commit.version) !== commit && !path.isTampered)
        throw new SimulationFailure('torn', `"${commit.token}" is shown as the past of "${newest.token}"`)
      return commit
    } finally {
      await store.close()
    }
  }
}
