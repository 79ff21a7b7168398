import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { InternalOptions, StoreOptions } from '../../../src/db/open-heap'
import type { Snapshot } from '../../../src/db/snapshot'
import type { Store } from '../../../src/db/store'
import type { Transaction } from '../../../src/db/transaction'
import { SnapheapError } from '../../../src/errors'
import type { Memory } from '../../../src/heap/memory'
import type { World } from '../../../src/heap/world'
import { DURABLE_MARK_NAME } from '../../../src/log/format'
import { history } from '../../../src/log/history'
import { anyCommand, type Command, CommandRunner, SHAPES } from '../../table/support/commands'
import { expectSame, type Tables } from '../../table/support/compare'
import { Device } from './device'
import { death, type FaultPlan, fullDevice, oneFailure, readOnlyDevice } from './fault-plan'
import { FaultyFiles, type Operation } from './faulty-files'
import { History, SimulationFailure, type State } from './history'
import { type Followed, SimulatedFollower } from './simulated-follower'
import { StoreOverFiles } from './store-over-files'

type Mode = 'commit' | 'interval' | 'none'

/** Drawing each one anew would take longer than all the rest. */
const COMMANDS = fc.sample(anyCommand, { seed: 1, numRuns: 1000 })
const ABORT = new Error('aborted on purpose')
const LEDGER = 'ledger'
const FILE = 'simulated.heap'
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A database that is used, hurt and opened again, and is compared with a plain model all along. */
export class SimulatedDatabase {
  private device: Device
  private files!: FaultyFiles
  private store!: StoreOverFiles
  private readonly runner = new CommandRunner(SHAPES)
  private ledger = new Map<number, string>()
  private readonly history = new History()
  /** The durability whose promise holds now. */
  private mode: Mode
  private nextMode: Mode | undefined
  private readonly tasks = new Set<Promise<void>>()
  private readonly followers: SimulatedFollower[] = []
  /** The log goes back to the first commit, as far as commits are logged at all. */
  private readonly retainsAll: boolean
  private readonly snapshots: { readonly snapshot: Snapshot; readonly state: State }[] = []
  /** A change that takes many turns has begun and has not ended. */
  private isBesideOpen = false
  /** A commit into the file failed, nobody knows how far: the database may take no further one. */
  private mayRefuse = false
  /** What it comes to. */
  private beside: { readonly version: number; readonly state: State; readonly isBulk: boolean } | undefined
  /**
   * Failures there were when nothing was under way: a later error of something under way is excused by later ones only.
   */
  private quietFaults = 0
  private failure: SimulationFailure | undefined
  private plan: FaultPlan = () => undefined
  private devices = 0
  private readonly operations: Operation[] = []
  /** Commits whose rejection was told while something that kept the database from returning was under way. */
  private readonly rejected: { readonly version: number; readonly state: State }[] = []
  /** The version when it was last looked at: it falls where commits are taken back. */
  private shown = 0
  private readonly totals = { commits: 0, reopenings: 0, faults: 0 }

  constructor(
    private readonly random: () => number,
    private readonly memory: Memory,
    private readonly world: World,
    private readonly folder: string,
  ) {
    this.mode = this.pick<Mode>(['commit', 'commit', 'interval', 'none'])
    this.retainsAll = random() < 0.2
    this.device = new Device(join(folder, 'device-0'))
    this.device = this.device.cut(random, this.device.folder)
  }

  get report() {
    return { ...this.totals, operations: this.operations }
  }

  /** Opens the database, does so many random things with it, and proves at last that everything is there. */
  async live(steps: number): Promise<void> {
    await this.open()
    for (let step = 0; step < steps; step++) {
      this.settle()
      await this.act()
      this.settle()
      if (this.failure !== undefined) throw this.failure
      if (this.files.isDead) await this.reopen()
    }
    this.plan = () => undefined
    await (this.random() < 0.5 ? this.reopen() : this.restart())
    if (this.failure !== undefined) throw this.failure
    await this.killFollowers()
    await this.close()
  }

  /** Gives back whatever there still is of it. */
  async abandon(): Promise<void> {
    this.files?.kill()
    await this.killFollowers()
    await this.store?.close().catch(() => undefined)
    await Promise.allSettled(this.tasks)
  }

  private async act(): Promise<void> {
    const luck = this.random() * 100
    if (luck < 26) this.write()
    else if (luck < 36) this.writeAsync()
    else if (luck < 42) this.bulkWrite()
    else if (luck < 47) this.save()
    else if (luck < 49) this.compact()
    else if (luck < 53) this.sync()
    else if (luck < 56) this.changeDurability()
    else if (luck < 61) this.useSnapshots()
    else if (luck < 63) this.compare(this.store, this.history.at(this.store.version))
    else if (luck < 66) await this.lookBack()
    else if (luck < 74) await this.useFollowers()
    else if (luck < 83) for (let turns = this.random() * 6; turns > 0; turns--) await turn()
    else if (luck < 90) this.plan = this.pick([oneFailure, oneFailure, fullDevice, readOnlyDevice, death])(this.random)
    else if (luck < 93) this.plan = () => undefined
    else if (luck < 96) await this.restart()
    else await this.reopen()
  }

  // What a user does

  /** Nothing is under way: neither of what was asked for, nor in the background. */
  private get isQuiet(): boolean {
    return this.tasks.size === 0 && this.files.isIdle
  }

  private write(): void {
    const { store, files, mode } = this
    const sync = this.random() < 0.9
    const change = this.anyChange()
    const before = store.version
    const faults = files.faults
    const mustFail = this.isPoisoned && this.isQuiet
    let attempted: State | undefined
    try {
      store.write(
        (tx) => {
          attempted = change(tx)
        },
        { sync },
      )
      this.committed(attempted!)
      if (files.isDead) return
      if (mustFail) throw new SimulationFailure('false error', 'a commit succeeded after a failed sync')
      if (mode === 'commit' && sync) this.history.acknowledge(store.version)
    } catch (error) {
      if (error instanceof SimulationFailure) throw error
      if (store.version !== before && !(this.isPoisoned && store.version < before))
        throw new SimulationFailure('torn', 'a failed write left another version', error)
      if (attempted !== undefined && (files.isDead || this.isPoisoned)) this.history.isUncertain(before + 1, attempted)
      const since = !this.isQuiet && isReturning(error) ? this.quietFaults : faults
      if (error !== ABORT && !(this.isBesideOpen && isBusy(error))) this.expectExcused(error, 'write', since)
      this.compare(store, this.history.at(store.version))
    }
  }

  private writeAsync(): void {
    const { store, mode } = this
    const change = this.anyChange()
    const before = store.version
    const isBusyAllowed = this.isBesideOpen
    let attempted: State | undefined
    const result = store.writeAsync((tx) => {
      attempted = change(tx)
    })
    const { version } = store
    const isMade = version > before
    if (isMade) this.committed(attempted!)
    else if (attempted !== undefined && (this.files.isDead || this.isPoisoned))
      this.history.isUncertain(before + 1, attempted)
    const onFailure = (): void => this.wasRejected(version, isMade ? attempted : undefined)
    const onSuccess = (): unknown => mode === 'commit' && this.history.acknowledge(version)
    this.begin('writeAsync', result, onSuccess, isBusyAllowed, onFailure)
  }

  private wasRejected(version: number, state: State | undefined): void {
    if (state !== undefined && !this.isPoisoned && !this.files.isDead) this.rejected.push({ version, state })
  }

  /**
   * What was rejected has left nothing: from the rejection on or, while something is under way, as soon as that has
   * ended.
   */
  private expectTakenBack(): void {
    const isQuiet = this.isQuiet && !this.isBesideOpen
    for (const { version, state } of this.rejected.splice(0)) {
      if (this.isPoisoned || this.files.isDead || !this.history.is(version, state)) continue
      if (isQuiet) throw new SimulationFailure('torn', `version ${version} was rejected and is still shown`)
      else this.rejected.push({ version, state })
    }
  }

  private bulkWrite(): void {
    const { store, mode } = this
    const change = this.anyChange()
    const turns = Math.floor(this.random() * 4)
    const isBulk = this.random() < 0.4
    let version = 0
    let attempted: State | undefined
    const run = async (tx: Transaction): Promise<void> => {
      this.settle()
      this.isBesideOpen = true
      version = store.version + 1
      const state = change(tx)
      for (let i = 0; i < turns; i++) await turn()
      this.beside = { version, state, isBulk }
      attempted = state
    }
    const result = isBulk ? store.bulkWrite(run, { log: false }) : store.bulkWrite(run)
    const isPromised = (): boolean => isBulk || (mode === 'commit' && this.mode === 'commit')
    this.begin(
      isBulk ? 'bulkWrite without log' : 'bulkWrite',
      result,
      () => isPromised() && this.history.acknowledge(version),
      false,
      () => this.wasRejected(version, attempted),
    )
  }

  private rolledBack(): void {
    const { beside } = this
    const { isDead, faults } = this.files
    if (beside !== undefined && (isDead || this.isPoisoned || (beside.isBulk && faults > 0))) {
      if (!this.history.hasUncertain) this.history.isUncertain(beside.version, beside.state)
      this.mayRefuse = true
    }
    this.beside = undefined
    this.isBesideOpen = false
  }

  private save(): void {
    this.begin('save', this.store.checkpoint(), this.acknowledgement())
  }

  private compact(): void {
    this.begin('compact', this.store.compact(), this.acknowledgement())
  }

  private sync(): void {
    this.begin('sync', this.store.sync(), this.acknowledgement())
  }

  /** Acknowledges what is shown now, unless it was taken back meanwhile. */
  private acknowledgement(): () => void {
    this.settle()
    const { version } = this.store
    const state = this.history.at(version)
    return () => {
      this.settle()
      if (this.history.is(version, state)) this.history.acknowledge(version)
    }
  }

  /** A stronger promise holds once the change of durability has resolved, a weaker one at once. */
  private changeDurability(): void {
    if (this.nextMode !== undefined) return
    const next = this.pick<Mode>(['commit', 'interval', 'none'])
    const acknowledge = this.acknowledgement()
    if (next === 'none' || this.mode !== 'none') this.mode = next
    this.nextMode = next
    const change = async (): Promise<void> => {
      try {
        await this.store.setDurability(this.durabilityOf(next))
        if (this.files.isDead) return
        if (this.mode === 'none' && next !== 'none') acknowledge()
        this.mode = next
      } finally {
        this.nextMode = undefined
      }
    }
    this.begin('setDurability', change(), () => undefined)
  }

  private useSnapshots(): void {
    const luck = this.random()
    if (luck < 0.5 && this.snapshots.length < 3) {
      const snapshot = this.store.snapshot('simulation')
      this.settle()
      this.snapshots.push({ snapshot, state: this.history.at(snapshot.version) })
    } else if (this.snapshots.length > 0) {
      const at = Math.floor(this.random() * this.snapshots.length)
      const { snapshot, state } = this.snapshots[at]
      this.compare(snapshot, state)
      if (luck > 0.6) this.snapshots.splice(at, 1)[0].snapshot.close()
    }
  }

  /** Opens the database as it was after a commit that its log lists. */
  private async lookBack(): Promise<void> {
    const { files, store } = this
    const faults = files.faults
    let past: Store | undefined
    try {
      const commits = [...history(store.memory, files, store.path!)]
      if (commits.length === 0) return
      const { version } = this.pick(commits)
      past = store.asOf(version)
      if (past.version !== version)
        throw new SimulationFailure('torn', `version ${version} is found as ${past.version}`)
      this.expectCandidate(past, version)
    } catch (error) {
      const isGone = error instanceof SnapheapError && error.code === 'NOT_FOUND' && !this.retainsAll
      if (!isGone) this.expectExcused(error, 'looking back', faults)
    } finally {
      await past?.close()
    }
  }

  private expectCandidate(store: Store, version: number): void {
    this.settle()
    const [state] = this.history.candidates(version)
    if (state === undefined) throw new SimulationFailure('torn', `the log lists version ${version}, which never was`)
    this.compare(store, state)
  }

  // What others do who follow it

  private async useFollowers(): Promise<void> {
    const luck = this.random()
    if (this.followers.length === 0 || (luck < 0.2 && this.followers.length < 3)) {
      this.follow()
      return
    }
    this.settle()
    const at = Math.floor(this.random() * this.followers.length)
    if (luck < 0.3) await this.followers.splice(at, 1)[0].kill()
    else if (luck < 0.5) this.followers[at].useSnapshots(this.followed, this.random())
    else this.look(this.followers[at])
  }

  /** What a follower shows that waits for the device will never be lost: as if it had been acknowledged. */
  private look(follower: SimulatedFollower): void {
    follower.look(this.followed)
    const { version, isUnsynced } = follower
    if (!isUnsynced && this.history.has(version)) this.history.acknowledge(version)
  }

  private follow(): void {
    const { device, random } = this
    const plan = random() < 0.2 ? oneFailure(random) : () => undefined
    const { faults } = this.files
    let hasFailed = false
    const noticing: FaultPlan = (operation) => {
      const fault = plan(operation)
      hasFailed ||= fault !== undefined
      return fault
    }
    try {
      const path = join(device.folder, FILE)
      const isUnsynced = random() < 0.4
      this.followers.push(new SimulatedFollower(device, path, this.memory, this.world, random, noticing, isUnsynced))
    } catch (error) {
      const isKnown = this.history.acknowledged > 0 && this.followed.isMarked
      if (error instanceof SnapheapError && error.code === 'NOT_FOUND' && !isKnown) return
      if (!hasFailed) this.expectExcused(error, 'follow', faults)
    }
  }

  private async killFollowers(): Promise<void> {
    for (const follower of this.followers.splice(0)) await follower.kill()
  }

  private get followed(): Followed {
    const { history, beside } = this
    const mark = this.files.operations.findLast(({ path }) => path.endsWith(`/${DURABLE_MARK_NAME}`))
    return {
      acknowledged: history.acknowledged,
      isMarked: mark?.fault === undefined,
      candidates: (version) => [
        ...history.candidates(version),
        ...(beside?.version === version ? [beside.state] : []), // a bulk load may be seen before it is acknowledged
      ],
      compare: (tables, state) => this.compare(tables, state),
    }
  }

  // What happens to a database

  /** Ends the process, then opens the database again: on the same machine, or after a power cut. */
  private async reopen(): Promise<void> {
    this.files.kill()
    await this.store.close().catch(() => undefined)
    await this.close()
    if (this.random() < 0.6) await this.cutPower()
    await this.open()
  }

  private async restart(): Promise<void> {
    for (const { snapshot, state } of this.snapshots) this.compare(snapshot, state)
    while (this.tasks.size > 0) await Promise.all(this.tasks)
    this.settle()
    const { version } = this.store
    const { quietFaults } = this
    const isPromised = this.mode !== 'none' && !this.isPoisoned
    // what was rejected may still be shown, until the heap has returned from it
    const kept = Math.min(version, ...this.rejected.map((each) => each.version - 1))
    try {
      await this.close()
      if (isPromised && !this.files.isDead) this.history.acknowledge(kept)
    } catch (error) {
      this.expectExcused(error, 'close', quietFaults)
      await this.close()
    }
    await this.open()
  }

  private async close(): Promise<void> {
    await this.store.close()
    while (this.tasks.size > 0) await Promise.all(this.tasks)
    this.settle()
    this.expectFilesClosed()
    this.endOfProcess()
  }

  private expectFilesClosed(): void {
    const [path] = this.files.openFiles
    if (path !== undefined) throw new SimulationFailure('false error', `a closed database keeps ${path} open`)
  }

  private endOfProcess(): void {
    this.operations.push(...this.files.operations)
    this.totals.faults += this.files.faults
    this.snapshots.length = 0
    this.beside = undefined
    this.isBesideOpen = false
    this.mayRefuse = false
    this.rejected.length = 0
  }

  private async cutPower(): Promise<void> {
    await this.killFollowers()
    const { folder } = this.device
    this.device = this.device.cut(this.random, join(this.folder, `device-${++this.devices}`))
    rmSync(folder, { recursive: true, force: true })
  }

  /** Opens the database, as often as failures keep it from opening, and compares it with what was promised. */
  private async open(): Promise<void> {
    if (this.random() < 0.7) this.plan = () => undefined
    for (;;) {
      this.files = new FaultyFiles(this.device, this.random)
      this.files.faultOf = (operation) => {
        if (this.followers.length > 0 && this.random() < 0.1) this.noteFailure(() => this.pick(this.followers).glance())
        return this.plan(operation)
      }
      this.quietFaults = 0
      try {
        this.store = StoreOverFiles.over(join(this.device.folder, FILE), this.options())
        break
      } catch (error) {
        this.expectExcused(error, 'open', 0)
        this.expectFilesClosed()
        this.endOfProcess()
        if (this.files.isDead && this.random() < 0.5) await this.cutPower()
        if (this.random() < 0.7) this.plan = () => undefined
      }
    }
    this.totals.reopenings++
    const { version } = this.store
    this.shown = version
    this.history.reopened(version)
    this.store.onRollback = () => this.rolledBack()
    this.store.onCommit = () => this.settle()
    const state = this.history.at(version)
    const { problems } = this.store.check()
    if (problems.length > 0) throw new SimulationFailure('torn', problems.join('; '))
    this.compare(this.store, state)
  }

  private options(): StoreOptions & InternalOptions {
    const { files, random, mode } = this
    const retained = random()
    return {
      files,
      world: this.world,
      memory: files.memoryFrom(this.memory),
      durability: this.durabilityOf(mode),
      segmentBytes: Math.floor(random() ** 2 * 20_000),
      partBytes: random() < 0.5 ? 1 << 23 : Math.floor(random() * 5000),
      ...(this.retainsAll ? { retain: { log: '1 day' } } : {}),
      ...(!this.retainsAll && retained < 0.4 ? { retain: { log: Math.floor(retained * 100_000) } } : {}),
      checkpoint: random() < 0.5 ? { logBytes: Math.floor(random() * 100_000) } : {},
      onFailure: (error) => {
        if (this.files === files) this.noteFailure(() => this.expectExcused(error, 'the background', 0))
      },
    }
  }

  /** No timers: they would bring chance into it. */
  private durabilityOf(mode: Mode) {
    return mode === 'interval' ? { intervalMs: 1e8, intervalBytes: 1 + Math.floor(this.random() ** 2 * 30_000) } : mode
  }

  // Bookkeeping

  private get isPoisoned(): boolean {
    return [...this.files.failedSyncs].some((path) => path.includes('.log/'))
  }

  /** Follows something that takes time: acknowledges once it resolves, unless the process is dead by then. */
  private begin(
    what: string,
    result: Promise<unknown>,
    onSuccess: () => unknown,
    isBusyAllowed = false,
    onFailure: () => void = () => undefined,
  ): void {
    const { files, quietFaults } = this
    const task: Promise<void> = result
      .then(
        () => {
          if (!files.isDead) onSuccess()
        },
        (error) => {
          onFailure()
          if (error !== ABORT && !(isBusyAllowed && isBusy(error))) this.expectExcused(error, what, quietFaults)
        },
      )
      .catch((error) => {
        this.failure ??= asFailure(error)
      })
      .finally(() => this.tasks.delete(task))
    this.tasks.add(task)
  }

  private noteFailure(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.failure ??= asFailure(error)
    }
  }

  /** An error is one of ours, and something has failed beneath. */
  private expectExcused(error: unknown, what: string, faultsBefore: number): void {
    if (error instanceof SimulationFailure) throw error
    if (!(error instanceof SnapheapError)) throw new SimulationFailure('false error', `${what} threw ${error}`, error)
    const { faults, isDead } = this.files
    if (faults > faultsBefore || isDead || this.isPoisoned || this.mayRefuse) return
    throw new SimulationFailure('false error', `${what}: ${error.message}`, error)
  }

  private settle(): void {
    const { beside, shown } = this
    this.shown = this.store.version
    if (this.shown < shown && !this.isPoisoned && !this.files.isDead) this.history.returned(this.shown)
    if (beside !== undefined && this.store.version >= beside.version) {
      this.beside = undefined
      this.isBesideOpen = false
      this.committed(beside.state, beside.version)
    }
    this.expectTakenBack()
    if (this.isQuiet) this.quietFaults = this.files.faults
  }

  private committed(state: State, version = this.store.version): void {
    if (this.files.isDead) return this.history.isUncertain(version, state)
    this.totals.commits++
    this.history.committed(version, state)
  }

  private restore({ tables, ledger }: State): void {
    this.runner.model = tables.map((table) => table.copy())
    this.ledger = new Map(ledger)
  }

  private compare(tables: Store | Snapshot, { tables: expected, ledger }: State): void {
    const names = tables.tableNames
    const others: Tables = {
      tableNames: names.filter((name) => name !== LEDGER),
      table: (name) => tables.table(name),
    }
    try {
      expectSame(others, expected)
    } catch (error) {
      throw error instanceof SimulationFailure ? error : new SimulationFailure('torn', `${error}`, error)
    }
    const found = new Map<unknown, unknown>()
    if (names.includes(LEDGER)) {
      const table = tables.table(LEDGER)
      for (const row of table.rows()) {
        const { id, text } = table.read(row)
        found.set(id, text)
      }
    }
    if (found.size !== ledger.size)
      throw new SimulationFailure('torn', `the ledger has ${found.size} rows, not ${ledger.size}`)
    for (const [id, text] of ledger)
      if (found.get(id) !== text) throw new SimulationFailure('torn', `row ${id} of the ledger is not what was written`)
  }

  // Random changes

  /** Makes the same change to the database and to the newest state; returns what that comes to. */
  private anyChange(): (tx: Transaction) => State {
    const count = 1 + Math.floor(this.random() ** 2 * 10)
    const commands = Array.from({ length: count }, () => this.pick(COMMANDS))
    const isAborted = this.random() < 0.12
    const entries = Array.from({ length: Math.floor(this.random() * 4) }, () => this.anyEntry())
    return (tx) => {
      if (this.files.isDead) throw ABORT
      this.settle()
      this.restore(this.history.at(this.store.version))
      for (const command of commands) this.run(tx, command)
      for (const [id, text] of entries) this.putEntry(tx, id, text)
      if (isAborted) throw ABORT
      return { tables: this.runner.copy(), ledger: new Map(this.ledger) }
    }
  }

  private anyEntry(): readonly [number, string | undefined] {
    const id = Math.floor(this.random() * 30)
    const luck = this.random()
    if (luck < 0.2) return [id, undefined]
    const length = Math.floor(luck < 0.95 ? this.random() * 300 : this.random() * 100_000)
    const word = `${Math.floor(this.random() * 1e9)} `
    return [id, word.repeat(Math.ceil(length / word.length))]
  }

  private putEntry(tx: Transaction, id: number, text: string | undefined): void {
    if (!hasTable(tx, LEDGER))
      tx.createTable(LEDGER, { key: 'id', columns: { id: 'integer', text: { type: 'string', index: false } } })
    if (text === undefined) {
      this.ledger.delete(id)
      tx.delete(LEDGER, id)
    } else {
      this.ledger.set(id, text)
      tx.upsert(LEDGER, { id, text })
    }
  }

  private run(tx: Transaction, command: Command): void {
    const { expected, actual } = this.runner.run(tx, command)
    if (expected !== actual) throw new SimulationFailure('torn', `${command.kind} did ${actual}, not ${expected}`)
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]
  }
}

function hasTable(tx: Transaction, name: string): boolean {
  try {
    tx.table(name)
    return true
  } catch {
    return false
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof SnapheapError && error.code === 'BUSY'
}

/** Commits are being taken back, as soon as what is under way has ended. */
function isReturning(error: unknown): boolean {
  return error instanceof SnapheapError && error.message.includes('are being taken back')
}

function asFailure(error: unknown): SimulationFailure {
  return error instanceof SimulationFailure ? error : new SimulationFailure('false error', `${error}`, error)
}
