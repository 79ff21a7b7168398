import type { Snapshot } from '../../../src/db/snapshot'
import type { SnapheapError } from '../../../src/errors'
import type { Memory } from '../../../src/heap/memory'
import type { World } from '../../../src/heap/world'
import type { Device } from './device'
import type { FaultPlan } from './fault-plan'
import { FaultyFiles } from './faulty-files'
import { SimulationFailure, type State } from './history'
import { StoreOverFiles } from './store-over-files'

/** Looks after which whatever a writer has made durable must be seen: some of them look at the file too. */
const ENOUGH_LOOKS = 4

/** What a follower is compared with. */
export interface Followed {
  /** Every state that the version with this number may be by now. */
  candidates(version: number): readonly State[]
  /** Versions up to this one are on the device for good. */
  readonly acknowledged: number
  /** Whether followers must have come to know of all of these. */
  readonly isMarked: boolean
  compare(tables: StoreOverFiles | Snapshot, state: State): void
}

/** A process that follows a simulated database: looks when it is told to, and is killed without a word. */
export class SimulatedFollower {
  private readonly files: FaultyFiles
  private readonly store: StoreOverFiles
  private failures: SnapheapError[] = []
  private snapshots: { readonly snapshot: Snapshot; readonly state: State }[] = []
  private told: number

  /** Throws what opening throws, with nothing left open. */
  constructor(
    device: Device,
    path: string,
    memory: Memory,
    world: World,
    random: () => number,
    plan: FaultPlan,
    /** Shows commits before they are on the device. */
    readonly isUnsynced: boolean,
  ) {
    this.files = new FaultyFiles(device, random)
    this.files.faultOf = plan
    try {
      this.store = StoreOverFiles.over(path, {
        follow: true,
        showUnsynced: isUnsynced,
        onFailure: () => undefined, // of the look at opening: what is wrong, the next one tells too
        files: this.files,
        world,
        memory: this.files.memoryFrom(memory),
      })
    } catch (error) {
      this.expectFilesClosed()
      throw error
    }
    this.told = this.store.version
    this.store.following!.on('failure', (error) => this.failures.push(error))
    this.store.following!.on('change', (version) => {
      this.told = version
    })
  }

  get version(): number {
    return this.store.version
  }

  get faults(): number {
    return this.files.faults
  }

  /** Looks at what there is, and proves that it is shown whole, as it is now. */
  look(followed: Followed): void {
    const { files, store } = this
    const { faults } = files
    for (let looks = 0; ; looks++) {
      this.failures = []
      store.following!.look()
      const [failure] = this.failures
      if (failure === undefined && (looks > ENOUGH_LOOKS || store.version >= followed.acknowledged)) break
      if (files.faults > faults) return
      if (failure !== undefined) throw new SimulationFailure('false error', `following: ${failure.message}`, failure)
    }
    if (store.version < followed.acknowledged && (this.isUnsynced || followed.isMarked))
      throw new SimulationFailure(
        'lost',
        `a follower is at ${store.version}, and ${followed.acknowledged} was acknowledged`,
      )
    if (this.told !== store.version) throw new SimulationFailure('torn', 'a follower did not tell of what it shows')
    this.expectOneOf(followed)
  }

  /** Looks in the middle of something that the writer does: what is shown then may be taken back. */
  glance(): void {
    const { faults } = this.files
    this.failures = []
    this.store.following!.look()
    const [failure] = this.failures
    if (failure !== undefined && this.files.faults === faults)
      throw new SimulationFailure('false error', `following: ${failure.message}`, failure)
  }

  /** Takes a snapshot, or proves that an earlier one is what it was. */
  useSnapshots(followed: Followed, luck: number): void {
    if (luck < 0.5 && this.snapshots.length < 2) {
      const snapshot = this.store.snapshot('simulated follower')
      const [state] = followed.candidates(snapshot.version)
      if (state === undefined) snapshot.close()
      else this.snapshots.push({ snapshot, state: this.expectOneOf(followed) })
    } else {
      for (const { snapshot, state } of this.snapshots) followed.compare(snapshot, state)
      if (luck > 0.8) this.snapshots.splice(0, 1)[0]?.snapshot.close()
    }
  }

  /** Nothing is said to anybody. */
  async kill(): Promise<void> {
    this.files.kill()
    await this.store.close()
    this.expectFilesClosed()
  }

  private expectOneOf(followed: Followed): State {
    const { store } = this
    const { problems } = store.check()
    if (problems.length > 0) throw new SimulationFailure('torn', `a follower: ${problems.join('; ')}`)
    const candidates = followed.candidates(store.version)
    if (candidates.length === 0)
      throw new SimulationFailure('torn', `a follower shows version ${store.version}, which never was`)
    for (const [i, state] of candidates.entries()) {
      try {
        followed.compare(store, state)
        return state
      } catch (error) {
        if (i === candidates.length - 1) throw error
      }
    }
    throw new Error('there is a candidate')
  }

  private expectFilesClosed(): void {
    const [path] = this.files.openFiles
    if (path !== undefined) throw new SimulationFailure('false error', `a closed follower keeps ${path} open`)
  }
}
