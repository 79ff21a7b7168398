import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Store } from '../../../src/db/store'
import { mirror } from '../../../src/mirror/mirror'
import type { MirrorOptions } from '../../../src/mirror/mirror-options'
import { type PostgresServer, type ServerConnection, startPostgres } from '../postgres'
import { Choice } from './choice'
import { Failure, LOOK_INTERVAL_MS, Oracle, pause, type Running } from './oracle'
import { partitionedTable, plainTable, TYPES } from './schema'
import { Blocked, Script } from './script'
import { Steps } from './step'

export interface DdlReport {
  rounds: number
  /** Rounds in which the mirror showed other rows than Postgres while it was live. */
  wrong: number
  failures: RoundFailure[]
  /** Statements that were run, and those of them that the server refused. */
  statements: number
  refused: number
}

export interface RoundFailure {
  seed: number
  failure: Failure
  /** All SQL of the round, with comments on what was done beside it. */
  script: readonly string[]
}

const NAMES = ['alpha', 'beta', 'gamma', 'delta']
const READY_MS = 20_000
const CLOSE_MS = 10_000

export interface DdlOptions {
  /** Of each mirror. */
  mirror?: Partial<MirrorOptions>
  /** Of a round, which has 8 to 20 otherwise: the same ones, as far as they go. */
  mostSteps?: number
  /** Rounds at a time, each job with a server of its own. Default 1. */
  jobs?: number
}

/**
 * Lives through as many histories of random changes of schema and rows, of the seeds from `seed` on, each in a database
 * of its own, and compares the mirror with the server after every step. Goes on after a failure.
 */
export async function ddlRounds(
  rounds: number,
  seed: number,
  onRound: (report: DdlReport) => void = () => undefined,
  { mirror: options = {}, mostSteps = Number.POSITIVE_INFINITY, jobs = 1 }: DdlOptions = {},
): Promise<DdlReport> {
  const report: DdlReport = { rounds: 0, wrong: 0, failures: [], statements: 0, refused: 0 }
  let begun = 0
  const job = async (): Promise<void> => {
    await using server = await startPostgres()
    while (begun < rounds) {
      const ownSeed = seed + begun++
      const round = await Round.start(server, ownSeed, options)
      const failure = await round.live(mostSteps)
      report.rounds++
      report.statements += round.script.statements
      report.refused += round.script.refused
      if (failure !== undefined) {
        if (failure.kind === 'wrong') report.wrong++
        report.failures.push({ seed: ownSeed, failure, script: round.script.lines })
      }
      onRound(report)
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, rounds) }, job))
  return report
}

class Round {
  private readonly oracle: Oracle
  private readonly steps: Steps
  private readonly folder = mkdtempSync(join(tmpdir(), 'snapheap-ddl-'))
  private running: Running | undefined
  private numbers = 0

  private constructor(
    private readonly server: PostgresServer,
    private readonly connection: ServerConnection,
    private readonly choice: Choice,
    private readonly names: readonly string[],
    private readonly options: Partial<MirrorOptions>,
    readonly script: Script,
  ) {
    this.oracle = new Oracle(script, names)
    this.steps = new Steps(script, { choice, mirrored: names, publication: this.slot, fresh: () => ++this.numbers })
  }

  static async start(server: PostgresServer, seed: number, options: Partial<MirrorOptions>): Promise<Round> {
    const connection = await server.createDatabase('ddl')
    const choice = new Choice(seed)
    const names = NAMES.slice(0, choice.between(2, NAMES.length))
    return new Round(server, connection, choice, names, options, new Script(connection))
  }

  /** The first failure, if there is one. Nothing is left behind. */
  async live(mostSteps: number): Promise<Failure | undefined> {
    let failure: Failure | undefined
    try {
      await this.setUp()
      for (let rest = Math.min(this.choice.between(8, 20), mostSteps); rest > 0; rest--) await this.step()
      await this.steps.mend()
      await this.check()
      await this.close()
    } catch (error) {
      failure = asFailure(error)
    }
    return (await this.leave()) ?? failure
  }

  private get slot(): string {
    return this.connection.database
  }

  private async setUp(): Promise<void> {
    const { choice, script } = this
    await script.run(TYPES)
    for (const name of this.names) {
      const made = choice.chance(0.4)
        ? partitionedTable(choice, name, () => ++this.numbers)
        : [plainTable(choice, name)]
      for (const sql of made) await script.run(sql)
    }
    await this.steps.fill()
    await this.open()
    await this.check()
  }

  private async step(): Promise<void> {
    const { choice } = this
    if (choice.chance(0.15)) await this.away()
    else {
      if (choice.chance(0.03)) await this.restartServer()
      await this.mendOrStep()
    }
    await this.check()
  }

  private async mendOrStep(): Promise<void> {
    const mends = this.choice.chance(0.5)
    if (mends && (await this.oracle.unfit()) !== undefined) await this.steps.mend()
    else await this.steps.run()
  }

  /** Steps while no mirror runs. */
  private async away(): Promise<void> {
    await this.close()
    for (let rest = this.choice.between(1, 3); rest > 0; rest--) await this.mendOrStep()
    if (this.choice.chance(0.1)) await this.restartServer()
    await this.open()
  }

  private async restartServer(): Promise<void> {
    const isCrash = this.choice.chance(0.5)
    this.script.note(isCrash ? 'the server crashes and starts' : 'the server stops and starts')
    await this.script.disconnect()
    await (isCrash ? this.server.crash() : this.server.stop())
    await this.server.start()
  }

  private async check(): Promise<void> {
    if (this.running === undefined) await this.open()
    // Some steps come before the mirror has looked at what the one before did.
    const looks = this.choice.chance(0.6) ? 3 : 0
    if (this.running !== undefined) await this.oracle.check(this.running, looks)
  }

  /** Opens the file and mirrors into it. A mirror that cannot be, because a table is unfit, is tried again later. */
  private async open(): Promise<void> {
    if (this.running !== undefined) return
    const reason = await this.oracle.unfit()
    this.script.note('the mirror starts')
    const db = Store.open(join(this.folder, 'mirrored.heap'))
    const { connection, slot } = this
    const started = mirror(db, {
      connection,
      slot,
      tables: this.names,
      checkIntervalMs: LOOK_INTERVAL_MS,
      syncIntervalMs: 100,
      ...this.options,
    })
    try {
      const opened = await within(started, READY_MS, 'mirror() did not return')
      opened.on('notice', (text) => this.script.note(`notice: ${text}`))
      opened.on('status', (status, error) =>
        this.script.note(`${status}${error === undefined ? '' : `: ${error.message}`}`),
      )
      this.running = { db, mirror: opened }
    } catch (error) {
      await db.close()
      if (reason === undefined || error instanceof Failure) throw error
      this.script.note(`the mirror cannot start: ${reason}`)
    }
  }

  /** Ends the mirror in order; the heap must be sound. */
  private async close(): Promise<void> {
    if (this.running === undefined) return
    const { db, mirror: open } = this.running
    this.script.note('the mirror is closed')
    await within(open.close(), CLOSE_MS, 'close() did not return')
    const { problems } = db.check()
    if (problems.length > 0) throw new Failure('wrong', `The heap is not sound: ${problems.join('; ')}`)
    this.running = undefined
    await db.close()
  }

  /** Removes everything of the round, whatever state it is in. */
  private async leave(): Promise<Failure | undefined> {
    try {
      await this.running?.mirror.close().catch(() => undefined)
      await this.running?.db.close().catch(() => undefined)
      await this.script.disconnect().catch(() => undefined)
      await this.dropSlots()
      await this.server.query(`DROP DATABASE ${this.slot} WITH (FORCE)`)
      return undefined
    } catch (error) {
      return new Failure('error', `Cleaning up failed: ${error}`)
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  private async dropSlots(): Promise<void> {
    const ours = `FROM pg_replication_slots WHERE database = '${this.slot}'`
    await this.server.query(`SELECT pg_terminate_backend(active_pid, 5000) ${ours} AND active_pid IS NOT NULL`)
    for (let tries = 20; tries > 0; tries--) {
      const { rows } = await this.server.query(`SELECT count(*)::int AS active ${ours} AND active`)
      if (rows[0].active === 0) break
      await pause(50)
    }
    await this.server.query(`SELECT pg_drop_replication_slot(slot_name) ${ours}`)
  }
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof Blocked) return new Failure('blocked', error.message)
  return new Failure('error', error instanceof Error ? (error.stack ?? error.message) : String(error))
}

async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Failure('not live', `${what} within ${ms} ms.`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
