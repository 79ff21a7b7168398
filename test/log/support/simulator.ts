import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'
import { seeded } from '../../support/random'
import type { Operation } from './faulty-files'
import { SimulationFailure } from './history'
import { SimulatedDatabase } from './simulated-database'
import { SimulatedMachine } from './simulated-machine'
import { smallWindows } from './small-windows'
import { simulatedWorld } from './world'

/** What a run came to. */
export interface SimulationReport {
  readonly commits: number
  readonly reopenings: number
  readonly faults: number
  /** Everything that was asked of the file system, in order. */
  readonly operations: readonly Operation[]
}

/** Every third seed is one of a machine with several processes and paths, the others are of one database. */
const MACHINE_EVERY = 3

/**
 * Lives through one random history: transactions, checkpoints, restarts, crashes, power cuts and failures of the file
 * system. Throws `SimulationFailure` at the first broken promise. A seed gives the same history every time.
 */
export function simulate(seed: number): Promise<SimulationReport> {
  return seed % MACHINE_EVERY === 0 ? simulateMachine(seed) : simulateDatabase(seed)
}

/** Of several processes that write, follow, copy and mix databases on several paths. */
export async function simulateMachine(seed: number): Promise<SimulationReport> {
  const random = seeded(seed)
  const plain = smallWindows(plainMemory())
  const native = loadNativeMemory()
  const memories = native === undefined ? [plain] : [smallWindows(native), plain]
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-simulated-'))
  try {
    const machine = new SimulatedMachine(random, memories, folder)
    try {
      await machine.live(20 + Math.floor(random() * 50))
      return machine.report
    } finally {
      await machine.abandon()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Of one database, its writer and its followers. */
async function simulateDatabase(seed: number): Promise<SimulationReport> {
  const random = seeded(seed)
  const memory = smallWindows((random() < 0.9 ? loadNativeMemory() : undefined) ?? plainMemory())
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-simulated-'))
  try {
    const database = new SimulatedDatabase(random, memory, simulatedWorld(seeded(seed + 1)), folder)
    try {
      await database.live(12 + Math.floor(random() * 30))
      return database.report
    } finally {
      await database.abandon()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What many runs came to. */
export interface RoundsReport {
  rounds: number
  commits: number
  reopenings: number
  faults: number
  /** Rounds that lost an acknowledged commit, that showed a state which never was, that failed without a reason. */
  lost: number
  torn: number
  falseErrors: number
  failures: { readonly seed: number; readonly error: Error }[]
}

/** Runs as many histories, of the seeds from `seed` on, and goes on after a failure. */
export async function simulateRounds(
  rounds: number,
  seed: number,
  onRound: (report: RoundsReport) => void = () => undefined,
): Promise<RoundsReport> {
  const report: RoundsReport = {
    rounds: 0,
    commits: 0,
    reopenings: 0,
    faults: 0,
    lost: 0,
    torn: 0,
    falseErrors: 0,
    failures: [],
  }
  for (; report.rounds < rounds; report.rounds++, onRound(report)) {
    try {
      const { commits, reopenings, faults } = await simulate(seed + report.rounds)
      report.commits += commits
      report.reopenings += reopenings
      report.faults += faults
    } catch (error) {
      report.failures.push({ seed: seed + report.rounds, error: error as Error })
      if (!(error instanceof SimulationFailure) || error.kind === 'false error') report.falseErrors++
      else report[error.kind]++
    }
  }
  return report
}
