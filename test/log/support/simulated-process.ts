import { writeFileSync } from 'node:fs'
import { ioError } from '../../../src/heap/io-error'
import type { FileLock, Memory } from '../../../src/heap/memory'
import { encodeIdentity, ownIdentity } from '../../../src/heap/process-identity'
import type { World } from '../../../src/heap/world'
import { acquireWriterLock } from '../../../src/heap/writer-lock'
import type { Device } from './device'
import type { FaultPlan } from './fault-plan'
import { FaultyFiles, type Operation, systemError } from './faulty-files'
import { simulatedWorld } from './world'
import type { WriterSession } from './writer-session'

/** More than two starts of one process may differ by. */
const ANOTHER_START = 1_000_000

/** A process of a machine: its files, its memory, its clock, and the path that it has open for writing. */
export class SimulatedProcess {
  files!: FaultyFiles
  memory!: Memory
  readonly world: World
  session: WriterSession | undefined
  plan: FaultPlan = () => undefined
  private skewMs = 0

  constructor(
    device: Device,
    /** With the kernel's locks, or without. */
    private readonly given: Memory,
    private readonly random: () => number,
  ) {
    const world = simulatedWorld(random)
    this.world = { ...world, nowMs: () => world.nowMs() + this.skewMs }
    this.start(device)
  }

  /** Begins a process on a device, in place of one that has ended. */
  start(device: Device): void {
    this.files = new FaultyFiles(device, this.random)
    this.files.faultOf = (operation) => this.plan(operation)
    this.memory = withLocksOf(this.files, this.given, this.random)
  }

  /** What was asked of the file system since it began. */
  get operations(): readonly Operation[] {
    return this.files.operations
  }

  get hasKernelLocks(): boolean {
    return this.given.lockFile !== undefined
  }

  /** The clock on the wall is set, forward or back. */
  setClock(byMs: number): void {
    this.skewMs += byMs
  }
}

/**
 * A memory of a process: what it locks is released when the process is killed, as the kernel does, and it leaves behind
 * what a killed process leaves.
 */
export function withLocksOf(files: FaultyFiles, memory: Memory, random: () => number): Memory {
  const world = {
    randomBytes: (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
    pause: () => undefined,
  }
  const lock = (path: string, fileMode?: number): FileLock => {
    if (files.isDead) throw ioError('lock', path, systemError('EIO'))
    const held = acquireWriterLock(path, memory, fileMode, world)
    return {
      path: held.path,
      isHeld: () => held.isHeld(),
      release(isDiscarded) {
        const isLeft = files.isDead && held.isHeld()
        held.release(isDiscarded && !files.isDead)
        if (isLeft) writeFileSync(held.path, encodeIdentity(identityOfEnded()))
      },
    }
  }
  return Object.assign(Object.create(files.memoryFrom(memory)) as Memory, { lock })
}

/** A process that had this one's pid before. */
function identityOfEnded() {
  const own = ownIdentity()
  return { ...own, started: own.started + ANOTHER_START }
}
