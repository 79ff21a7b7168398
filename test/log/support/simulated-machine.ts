import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../../../src/db/store'
import { SnapheapError } from '../../../src/errors'
import type { Memory } from '../../../src/heap/memory'
import { CommitRegistry, EMPTY } from './commit-registry'
import { Device } from './device'
import { death, type FaultPlan, fullDevice, lastingFailure, oneFailure, readOnlyDevice } from './fault-plan'
import type { Operation } from './faulty-files'
import { FileTools } from './file-tools'
import { SimulationFailure } from './history'
import { PathFollower } from './path-follower'
import { PathReaders } from './path-readers'
import { type HalfCopy, PathTampering, pathIn } from './path-tampering'
import { SimulatedPath } from './simulated-path'
import { SimulatedProcess } from './simulated-process'
import { type Mode, WriterSession } from './writer-session'

const NO_FAULTS: FaultPlan = () => undefined
const MOST_PATHS = 6
const YEAR_MS = 365 * 24 * 3600 * 1000
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * A machine on which processes open, write, copy and mix databases on several paths, and which loses its power now and
 * then. Whatever is opened shows exactly one commit that somebody made there, or says why it does not open.
 */
export class SimulatedMachine {
  private device: Device
  private tools!: FileTools
  private readers!: PathReaders
  private tampering!: PathTampering
  private readonly registry: CommitRegistry
  private readonly processes: SimulatedProcess[]
  private paths: SimulatedPath[]
  private followers: PathFollower[] = []
  private halfCopies: HalfCopy[] = []
  private names = 0
  private devices = 0
  private readonly operations: Operation[] = []
  private readonly totals = { commits: 0, reopenings: 0, faults: 0 }

  constructor(
    private readonly random: () => number,
    /** With the kernel's locks, where there are any, and without. */
    private readonly memories: readonly Memory[],
    private readonly folder: string,
  ) {
    this.registry = new CommitRegistry(random)
    mkdirSync(folder, { recursive: true })
    this.device = new Device(join(folder, 'device-0'))
    this.device = this.device.cut(random, this.device.folder)
    const count = 2 + Math.floor(random() * 3)
    this.processes = Array.from({ length: count }, () => new SimulatedProcess(this.device, this.pick(memories), random))
    this.paths = [this.newPath(), this.newPath()]
    this.begin()
  }

  get report() {
    return { ...this.totals, operations: this.operations }
  }

  async live(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.act()
      await this.bury()
    }
    for (const process of this.processes) process.plan = NO_FAULTS
    await this.endSessions()
    for (const path of this.paths) await this.openLast(path)
    await this.killFollowers()
    this.noteOperations()
  }

  /** Gives back whatever there still is of it. */
  async abandon(): Promise<void> {
    for (const follower of this.followers) await follower.kill().catch(() => undefined)
    for (const { session } of this.processes) await session?.kill().catch(() => undefined)
  }

  private async act(): Promise<void> {
    const luck = this.random() * 100
    if (luck < 44) await this.useProcess(this.pick(this.processes))
    else if (luck < 50) for (let turns = this.random() * 6; turns > 0; turns--) await turn()
    else if (luck < 58) await this.useFollowers()
    else if (luck < 62) await this.readers.read(this.pick(this.paths))
    else if (luck < 66) await this.verify()
    else if (luck < 69) await this.lookBack()
    else if (luck < 76) await this.copy()
    else if (luck < 80) await this.mix()
    else if (luck < 84) await this.rob()
    else if (luck < 87) await this.saveElsewhere()
    else if (luck < 89) await this.backUp()
    else if (luck < 91) this.pick(this.processes).setClock((this.random() * 2 - 1) * YEAR_MS)
    else if (luck < 95) this.fail(this.pick(this.processes))
    else if (luck < 98) for (const process of this.processes) process.plan = NO_FAULTS
    else await this.cutPower()
  }

  // What processes do

  private async useProcess(process: SimulatedProcess): Promise<void> {
    const { session } = process
    if (session === undefined) {
      await this.open(process, this.pick(this.paths))
      return
    }
    const luck = this.random()
    if (luck < 0.42) session.write()
    else if (luck < 0.56) session.writeAsync()
    else if (luck < 0.66) session.save()
    else if (luck < 0.7) session.compact()
    else if (luck < 0.74) session.sync()
    else if (luck < 0.78) session.bulkLoad()
    else if (luck < 0.9) await this.end(session, false)
    else await this.end(session, true)
  }

  /** At most one process has a path open for writing: all others are told so. */
  private async open(process: SimulatedProcess, path: SimulatedPath): Promise<void> {
    const { faults } = process.files
    const holder = path.writer
    let session: WriterSession
    try {
      session = new WriterSession(process, path, this.registry, this.anyOptions())
    } catch (error) {
      const hasFailed = process.files.faults > faults || process.files.isDead
      // one that was robbed of its lock, and has been followed by another since, still holds the kernel's locks on its
      // files
      if (error instanceof SnapheapError && (hasFailed || (this.isOpen(path) && error.code === 'LOCKED'))) return
      path.expectExcused(error, 'a writer')
      return
    }
    process.session = session
    this.totals.reopenings++
    if (holder !== undefined && !holder.isRobbed)
      throw new SimulationFailure('torn', `${path.name} has two writers at the same time`)
    path.wasOpened(session.soundCommit(), session)
  }

  private anyOptions() {
    const { random } = this
    return {
      mode: this.pick<Mode>(['commit', 'commit', 'commit', 'commit', 'interval', 'none']),
      retainBytes: random() < 0.4 ? Math.floor(random() * 40_000) : 0,
      segmentBytes: Math.floor(random() ** 2 * 20_000),
    }
  }

  private async end(session: WriterSession, isKilled: boolean): Promise<void> {
    const { process } = session
    this.totals.commits += session.commits
    await (isKilled ? session.kill() : session.close())
    if (process.files.isDead) this.restart(process)
  }

  /** Gives back what processes had that have died, and puts others in their places. */
  private async bury(): Promise<void> {
    for (const process of this.processes) {
      const { session, files } = process
      if (session?.failure !== undefined) throw session.failure
      if (!files.isDead) continue
      if (session === undefined) this.restart(process)
      else await this.end(session, true)
    }
  }

  private restart(process: SimulatedProcess): void {
    this.operations.push(...process.operations)
    this.totals.faults += process.files.faults
    process.start(this.device)
    if (this.random() < 0.7) process.plan = NO_FAULTS
  }

  private fail(process: SimulatedProcess): void {
    const kinds = [oneFailure, oneFailure, lastingFailure, lastingFailure, fullDevice, readOnlyDevice, death]
    process.plan = this.pick(kinds)(this.random)
  }

  private async useFollowers(): Promise<void> {
    const luck = this.random()
    if (this.followers.length === 0 || (luck < 0.3 && this.followers.length < 4)) this.follow(this.pick(this.paths))
    else {
      const at = Math.floor(this.random() * this.followers.length)
      if (luck < 0.4) await this.followers.splice(at, 1)[0].kill()
      else this.followers[at].look()
    }
  }

  private follow(path: SimulatedPath): void {
    const { device, registry, random } = this
    const { world } = this.pick(this.processes)
    const isUnsynced = random() < 0.4
    try {
      const memory = this.pick(this.memories)
      this.followers.push(new PathFollower(device, path, registry, memory, world, random, isUnsynced))
    } catch (error) {
      // after a power cut, or a failure, it may not be known that the device has a commit
      const isMarked = path.writer?.process.files.faults === 0
      if (!isUnsynced && !isMarked && error instanceof SnapheapError && error.code === 'NOT_FOUND') return
      path.expectExcused(error, 'a follower')
    }
  }

  private async killFollowers(path?: SimulatedPath): Promise<void> {
    const ended = this.followers.filter((each) => path === undefined || each.path === path)
    this.followers = this.followers.filter((each) => !ended.includes(each))
    for (const each of ended) {
      this.operations.push(...each.files.operations)
      await each.kill()
    }
  }

  // What others do with the files

  private async verify(): Promise<void> {
    const path = this.pick(this.paths)
    if (path.writer === undefined) await this.readers.verify(path, `scratch-${this.names++}.heap`)
  }

  private async lookBack(): Promise<void> {
    const path = this.pick(this.paths)
    if (path.writer?.isIdle !== false) await this.readers.lookBack(path)
  }

  private async copy(): Promise<void> {
    const { halfCopies, tampering } = this
    if (halfCopies.length > 0 && this.random() < 0.6) {
      const copy = halfCopies.shift()!
      if (!this.isOpen(copy.to)) tampering.endCopy(copy)
      return
    }
    const to = await this.spare()
    if (to === undefined) return
    const from = this.pick(this.paths) // not before: the spare one may have taken the place of any
    const luck = this.random()
    if (luck < 0.2) tampering.copyFile(from, to)
    else if (luck < 0.35) tampering.copyLog(from, to)
    else halfCopies.push(tampering.beginCopy(from, to))
    this.paths.push(to)
  }

  private async mix(): Promise<void> {
    const [from, to] = [this.pick(this.paths), this.pick(this.paths)]
    if (from === to || this.isOpen(to)) return
    if (this.random() < 0.75) this.tampering.mix(from, to)
    else this.tampering.moveLog(to)
  }

  private async rob(): Promise<void> {
    const { writer } = this.pick(this.processes).session?.path ?? {}
    if (writer === undefined || !writer.isIdle) return
    const other = this.pick(this.paths)
    if (other === writer.path || !this.tampering.rob(writer.path, other)) return
    writer.isRobbed = true
    if (this.random() < 0.7) writer.write()
  }

  /** Writes what a path shows, or has shown, into another: `save(path)` and `restore`. */
  private async saveElsewhere(): Promise<void> {
    const { session } = this.pick(this.processes)
    if (session === undefined || session.isRobbed) return
    const to = this.random() < 0.5 ? this.pick(this.paths) : await this.spare()
    if (to === undefined || to === session.path || this.halfCopies.some((each) => each.to === to)) return
    if (!this.paths.includes(to)) this.paths.push(to)
    const source = this.stateOf(session)
    if (source === undefined) return
    await session.begin(
      'save elsewhere',
      () => this.saveInto(to, source),
      () => undefined,
    )
    if (source !== session.store) await source.close()
  }

  /** What a session shows, or has shown; undefined where that cannot be read any more. */
  private stateOf({ store, process }: WriterSession): Store | undefined {
    if (this.random() < 0.5) return store
    const { faults } = process.files
    try {
      return store.asOf(1 + Math.floor(this.random() * store.version))
    } catch (error) {
      if (error instanceof SnapheapError && (error.code === 'NOT_FOUND' || process.files.faults > faults)) return
      throw error
    }
  }

  private async saveInto(to: SimulatedPath, source: Store): Promise<void> {
    const commit = this.registry.shownBy(source)
    const isRefused = this.tools.hasLog(to.in(this.device)) || to.writer !== undefined
    const { isTampered, floors } = to
    if (!isRefused) to.wasReplaced(isTampered ? [EMPTY] : [...floors, commit])
    try {
      await source.saveAs(to.in(this.device), { replace: true })
    } catch (error) {
      if (!isRefused && isTampered) to.wasTampered(false)
      if (isRefused && error instanceof SnapheapError && ['EXISTS', 'LOCKED'].includes(error.code)) return
      throw error
    }
    if (isRefused && !to.writer?.isRobbed)
      throw new SimulationFailure('torn', `${to.name} was replaced, which has a log or a writer`)
    to.wasReplaced([commit])
  }

  private async backUp(): Promise<void> {
    const { session } = this.pick(this.processes)
    if (session === undefined || session.isRobbed || this.paths.length >= MOST_PATHS) return
    const folder = `backup-${this.names++}`
    await this.idle() // what a failed backup leaves is removed in real time
    const least = session.shown()
    // a backup begins with a checkpoint where the file does not hold, or the log does not lead to, all that was
    // committed
    if (!session.logsCommits || !this.tools.files.exists(session.path.in(this.device))) session.path.checkpoints++
    const backUp = async (): Promise<void> => {
      const onProgress = (): void => this.useBesideBackup(session)
      const { version } = await session.store.backup(join(this.device.folder, folder), { onProgress })
      if (version < least.version)
        throw new SimulationFailure('lost', `a backup is at ${version}, begun at ${least.version}`)
      const path = new SimulatedPath(pathIn(folder, session.path))
      path.wasReplaced([least])
      path.isMixed = session.path.isMixed
      path.hasGaps = session.path.hasGaps
      this.paths.push(path)
    }
    await session.begin('backup', backUp, () => undefined)
  }

  /** What else its process does meanwhile. */
  private useBesideBackup(session: WriterSession): void {
    const luck = this.random()
    if (luck < 0.1) session.write()
    else if (luck < 0.13 && session.process.plan === NO_FAULTS) session.save()
  }

  /** Returns when nothing is under way in any process. */
  private async idle(): Promise<void> {
    while (this.processes.some(({ session, files }) => session?.isIdle === false || !files.isIdle)) await turn()
  }

  /** Whether any process writes there, or would. */
  private isOpen(path: SimulatedPath): boolean {
    return this.processes.some(({ session }) => session?.path === path)
  }

  private newPath(): SimulatedPath {
    return new SimulatedPath(`${this.names++}.heap`)
  }

  /** A path on which nothing is; where there are too many, in place of one that nobody uses. */
  private async spare(): Promise<SimulatedPath | undefined> {
    if (this.paths.length >= MOST_PATHS) {
      const isUsed = (path: SimulatedPath): boolean =>
        this.isOpen(path) || this.halfCopies.some(({ from, to }) => from === path || to === path)
      const unused = this.paths.filter((path) => !isUsed(path))
      if (unused.length === 0) return undefined
      const path = this.pick(unused)
      await this.killFollowers(path)
      this.tools.removeDatabase(path.in(this.device))
      this.paths = this.paths.filter((each) => each !== path)
    }
    return this.newPath()
  }

  // What happens to all of them

  private async cutPower(): Promise<void> {
    await this.endSessions()
    await this.killFollowers()
    const { folder } = this.device
    this.operations.push(...this.tools.files.operations)
    this.device = this.device.cut(this.random, join(this.folder, `device-${++this.devices}`))
    rmSync(folder, { recursive: true, force: true })
    this.halfCopies = []
    for (const process of this.processes) this.restart(process)
    for (const path of this.paths) path.generation++
    this.begin()
  }

  private async endSessions(): Promise<void> {
    for (const { session } of this.processes) if (session !== undefined) await this.end(session, true)
  }

  /** On a device. */
  private begin(): void {
    const { device, random } = this
    this.tools = new FileTools(device, random)
    const { world } = this.processes[0]
    this.readers = new PathReaders(device, this.tools, this.registry, this.memories[0], world, random)
    this.tampering = new PathTampering(device, this.tools, random)
  }

  /** Every path opens at what was promised, and can be written. */
  private async openLast(path: SimulatedPath): Promise<void> {
    const process = this.pick(this.processes)
    await this.open(process, path)
    const { session } = process
    if (session === undefined) return
    session.write()
    await this.end(session, false)
    await this.readers.read(path)
  }

  private noteOperations(): void {
    for (const process of this.processes) this.restart(process)
    this.operations.push(...this.tools.files.operations)
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]
  }
}
