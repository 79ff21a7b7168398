import type { SnapheapError } from '../../../src/errors'
import type { Memory } from '../../../src/heap/memory'
import type { World } from '../../../src/heap/world'
import type { CommitRegistry } from './commit-registry'
import type { Device } from './device'
import { FaultyFiles } from './faulty-files'
import { SimulationFailure } from './history'
import { type SimulatedPath, soundCommit } from './simulated-path'
import { StoreOverFiles } from './store-over-files'

/** Looks after which whatever a writer has made durable is seen. */
const ENOUGH_LOOKS = 4

/** A process that follows a path, whatever happens to it. */
export class PathFollower {
  readonly files: FaultyFiles
  private readonly store: StoreOverFiles
  private readonly generation: number
  private failures: SnapheapError[] = []

  /** Throws what opening throws. */
  constructor(
    device: Device,
    readonly path: SimulatedPath,
    private readonly registry: CommitRegistry,
    memory: Memory,
    world: World,
    random: () => number,
    private readonly isUnsynced: boolean,
  ) {
    this.files = new FaultyFiles(device, random)
    this.generation = path.generation
    this.store = StoreOverFiles.over(path.in(device), {
      follow: true,
      showUnsynced: isUnsynced,
      onFailure: () => undefined,
      files: this.files,
      world,
      memory: this.files.memoryFrom(memory),
    })
    this.store.following!.on('failure', (error) => this.failures.push(error))
  }

  /** What it shows is always one commit; where nobody has tampered with the path, one that is promised. */
  look(): void {
    this.failures = []
    for (let i = 0; i < ENOUGH_LOOKS; i++) this.store.following!.look()
    const commit = soundCommit(this.registry, this.store, 'a follower')
    const { path } = this
    if (path.isTampered || path.generation !== this.generation) return
    const [failure] = this.failures
    if (failure !== undefined)
      throw new SimulationFailure('false error', `following ${path.name}: ${failure.message}`, failure)
    path.expectRelated(commit, 'a follower')
    if (!this.isUnsynced && path.writer?.isRobbed !== true) path.acknowledge(commit)
  }

  async kill(): Promise<void> {
    this.files.kill()
    await this.store.close()
    const [open] = this.files.openFiles
    if (open !== undefined) throw new SimulationFailure('false error', `a closed follower keeps ${open} open`)
  }
}
