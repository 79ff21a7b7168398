import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { Store } from '../../src/db/store'
import { connect } from '../../src/mirror/connection'
import { mirror } from '../../src/mirror/mirror'
import { type PostgresServer, type ServerConnection, startPostgres } from './postgres'

export interface CrashReport {
  rounds: number
  /** Changes of transactions that the file claims to have, and has not. */
  lost: number
  /** Changes that the file should not have yet, or that were found to be applied twice. */
  doubled: number
  /** Everything else that must not be, in words. */
  problems: string[]
  /** Transactions that were committed meanwhile. */
  transactions: number
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
/** The child is killed at most this long after it has begun. */
const LONGEST_LIFE_MS = 500

/**
 * Starts a mirroring process again and again and kills it by SIGKILL at random moments, while transactions go on. After
 * each kill the file must hold exactly the transactions up to the one it says. `random` gives numbers from 0 to 1.
 */
export async function crashRounds(
  rounds: number,
  random: () => number,
  onRound: (round: number, report: CrashReport) => void = () => undefined,
): Promise<CrashReport> {
  const report: CrashReport = { rounds: 0, lost: 0, doubled: 0, problems: [], transactions: 0 }
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-crash-'))
  const path = join(folder, 'mirrored.heap')
  const server = await startPostgres()
  try {
    const connection = await server.createDatabase('crash')
    const load = new Load(await connect(connection, 'query'), report)
    await load.start()
    for (let round = 1; round <= rounds; round++) {
      await liveAndDie(path, connection, random() * LONGEST_LIFE_MS, report)
      await inspect(path, report)
      report.rounds = round
      onRound(round, report)
    }
    await load.stop()
    await finish(server, path, connection, report)
    return report
  } finally {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Transaction i adds row i, notes i in an account, and every seventh rewrites an earlier row. */
class Load {
  private isOver = false
  private running: Promise<void> = Promise.resolve()

  constructor(
    private readonly client: pg.Client,
    private readonly report: CrashReport,
  ) {}

  async start(): Promise<void> {
    await this.client.query(`
      CREATE TABLE ledger (id bigint PRIMARY KEY, note text); CREATE TABLE account (id int PRIMARY KEY, v bigint);
      INSERT INTO account VALUES (1, 0)`)
    this.running = this.run()
  }

  async stop(): Promise<void> {
    this.isOver = true
    await this.running
    await this.client.end()
  }

  private async run(): Promise<void> {
    for (let i = 1; !this.isOver; i++) {
      const rewrite = i % 7 === 0 ? `UPDATE ledger SET note = note || ' again' WHERE id = ${i - 3};` : ''
      await this.client.query(
        `BEGIN; INSERT INTO ledger VALUES (${i}, 'note ${i}'); UPDATE account SET v = ${i}; ${rewrite} COMMIT`,
      )
      this.report.transactions = i
    }
  }
}

async function liveAndDie(
  path: string,
  connection: ServerConnection,
  lifeMs: number,
  report: CrashReport,
): Promise<void> {
  const child = spawn(
    process.execPath,
    ['scripts/run-bundled.mjs', 'test/support/mirror-child.ts', path, JSON.stringify(connection)],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const hasStarted = watch(child, report)
  await Promise.race([hasStarted, once(child, 'exit')])
  await new Promise((resolve) => setTimeout(resolve, lifeMs))
  const hasExited = child.exitCode !== null ? Promise.resolve() : once(child, 'exit')
  if (child.exitCode !== null) report.problems.push(`the mirroring process ended by itself with code ${child.exitCode}`)
  child.kill('SIGKILL')
  await hasExited
}

/** Resolves when the child has begun; what it must not say becomes a problem. */
function watch(child: ChildProcess, report: CrashReport): Promise<void> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'started') resolve()
      // A change that does not fit the rows has been applied before, or one before it was lost.
      if (/does not fit|not mirrored/.test(line)) report.doubled++
      if (/^(resyncing|failed)/.test(line)) report.problems.push(line)
    })
  })
}

/** Compares what a killed process left with the transactions up to the last that the file knows of. */
async function inspect(path: string, report: CrashReport): Promise<void> {
  if (!existsSync(path)) return
  const db = Store.open(path)
  try {
    report.problems.push(...db.check().problems)
    if (!db.tableNames.includes('ledger')) return
    const last = Number(db.table('account').get(1)!.v)
    const ledger = db.table('ledger')
    for (let id = 1; id <= last; id++) {
      const rewriter = id + 3
      const note = rewriter % 7 === 0 && rewriter <= last ? `note ${id} again` : `note ${id}`
      const found = ledger.get(id)?.note as string | undefined
      if (found === undefined || found.length < note.length) report.lost++
      else if (found !== note) report.doubled++
    }
    report.doubled += Math.max(0, ledger.rowCount - last)
  } finally {
    await db.close()
  }
}

/** The last process is not killed: it must come to the same as Postgres. */
async function finish(
  server: PostgresServer,
  path: string,
  connection: ServerConnection,
  report: CrashReport,
): Promise<void> {
  const db = Store.open(path)
  const last = await mirror(db, { connection, tables: ['ledger', 'account'], slot: 'crash_rounds' })
  await last.ready
  const { rows } = await server.query('SELECT pg_current_wal_lsn()::text AS lsn', connection.database)
  await last.waitFor(rows[0].lsn, { timeoutMs: 60_000 })
  const verification = await last.verify()
  for (const table of verification.tables) {
    report.lost += table.missingRows + table.differentRows
    report.doubled += table.extraRows
  }
  if (Number(db.table('account').get(1)!.v) !== report.transactions) report.lost++
  report.problems.push(...db.check().problems)
  await last.close({ dropSlot: true })
  await db.close()
}
