import pg from 'pg'
import type { MirrorOptions } from '../src/postgres'
import { type ServerConnection, startPostgres } from '../test/support/postgres'
import { type Figures, median, percentile, randomIntegers, type Together } from './harness'
import { startMirror } from './mirror-program'
import { parentOf, processorTimeMs } from './processor-time'

const CLIENTS = 4
const CALIBRATION_MS = 5_000
const PHASE_MS = 10_000
/** Without and with a mirror, in turn: what drifts with time concerns both. */
const PHASES = 3
/** Of what the server can do alone. */
const LOAD = 0.5
const ACCOUNTS_PER_BRANCH = 100_000
const TELLERS_PER_BRANCH = 10
/** Of the second mirror, which applies what comes within so long together. */
const APPLY_INTERVAL_MS = 10
const MIRRORED = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches']

/**
 * What a mirror costs its server: the transactions of pgbench (its built-in script "tpcb-like", PostgreSQL manual,
 * pgbench) at half the rate that the server alone can do, without a mirror, with one of three of the four tables on the
 * same machine, and with one that applies changes every 10 ms. The fourth table has no key. A latency counts from when
 * its transaction was due, as with `pgbench --rate`. Commits are synced.
 */
export const task: Together = {
  rows: 1_000_000,
  async measure(rows) {
    const server = await startPostgres({ fsync: 'on', full_page_writes: 'on', autovacuum: 'off' })
    const { connection } = server
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connected(connection)))
    const bank = new Bank(clients, rows)
    await bank.fill()
    const [{ pid }] = (await clients[0].query('SELECT pg_backend_pid() AS pid')).rows
    const postmaster = parentOf(pid)
    const perSecond = (await bank.run(undefined, CALIBRATION_MS)).length / (CALIBRATION_MS / 1000)

    const withMirror = async (options: Partial<MirrorOptions>): Promise<Figures> => {
      const mirror = await startMirror({ connection, tables: MIRRORED, ...options })
      const timesMs = () => ({ serverMs: processorTimeMs(postmaster), mirrorMs: processorTimeMs(mirror.pid) })
      const figures = await bank.measured(perSecond * LOAD, timesMs)
      await bank.expectSame(mirror)
      await mirror.end()
      return figures
    }
    const found: Record<'without' | 'with' | 'gathering', Figures[]> = { without: [], with: [], gathering: [] }
    for (let phase = 0; phase < PHASES; phase++) {
      found.without.push(await bank.measured(perSecond * LOAD, () => ({ serverMs: processorTimeMs(postmaster) })))
      found.with.push(await withMirror({}))
      found.gathering.push(await withMirror({ applyIntervalMs: APPLY_INTERVAL_MS }))
    }
    await Promise.all(clients.map((client) => client.end()))
    await server.close()
    return {
      'without a mirror': { ...medians(found.without), perSecond: perSecond * LOAD },
      'with a mirror': { ...medians(found.with), ...ratios(found.with, found.without) },
      [`with one, applyIntervalMs ${APPLY_INTERVAL_MS}`]: {
        ...medians(found.gathering),
        ...ratios(found.gathering, found.without),
      },
    }
  },
}

/** The accounts, tellers and branches of pgbench, and the clients that use them. */
class Bank {
  private readonly random: Uint32Array
  private drawn = 0
  private readonly branches: number

  constructor(
    private readonly clients: readonly pg.Client[],
    private readonly accounts: number,
  ) {
    this.branches = Math.max(1, Math.round(accounts / ACCOUNTS_PER_BRANCH))
    this.random = randomIntegers(1 << 20, 2 ** 31)
  }

  async fill(): Promise<void> {
    const { accounts, branches, clients } = this
    const tellers = branches * TELLERS_PER_BRANCH
    const filler = (characters: number): string => `repeat(' ', ${characters})::char(${characters}) AS filler`
    await clients[0].query(`
      CREATE TABLE pgbench_branches AS SELECT bid, 0 AS bbalance, ${filler(88)} FROM generate_series(1, ${branches}) bid;
      CREATE TABLE pgbench_tellers AS
        SELECT tid, (tid - 1) / ${TELLERS_PER_BRANCH} + 1 AS bid, 0 AS tbalance, ${filler(84)} FROM generate_series(1, ${tellers}) tid;
      CREATE TABLE pgbench_accounts WITH (fillfactor = 100) AS
        SELECT aid, (aid - 1) / ${ACCOUNTS_PER_BRANCH} + 1 AS bid, 0 AS abalance, ${filler(84)} FROM generate_series(1, ${accounts}) aid;
      CREATE TABLE pgbench_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));
      ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid);
      ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid);
      ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)`)
    await clients[0].query('VACUUM ANALYZE')
    await clients[0].query('CHECKPOINT')
  }

  /**
   * Runs transactions for so long: so many a second on the average, at random moments, or without a rate one after the
   * other. Returns how many milliseconds after it was due each was committed.
   */
  async run(perSecond: number | undefined, lastsMs: number): Promise<number[]> {
    const latencies: number[] = []
    const start = performance.now()
    let nextMs = start
    const client = async (each: pg.Client): Promise<void> => {
      for (;;) {
        if (perSecond !== undefined) nextMs += (-Math.log(1 - this.draw(1 << 30) / (1 << 30)) * 1000) / perSecond
        const dueMs = perSecond === undefined ? performance.now() : nextMs
        if (dueMs - start > lastsMs) return
        while (performance.now() < dueMs) await new Promise((resolve) => setTimeout(resolve, dueMs - performance.now()))
        await this.transact(each)
        latencies.push(performance.now() - dueMs)
      }
    }
    await Promise.all(this.clients.map(client))
    return latencies
  }

  /** The figures of a run at a rate. `timesMs` gives processor time so far, by its name. */
  async measured(perSecond: number, timesMs: () => Record<string, number>): Promise<Figures> {
    await this.clients[0].query('CHECKPOINT')
    const before = timesMs()
    const latencies = await this.run(perSecond, PHASE_MS)
    const after = timesMs()
    const used = Object.entries(after).map(([name, ms]) => [
      name.replace('Ms', 'UsPerTransaction'),
      ((ms - before[name]) * 1000) / latencies.length,
    ])
    const figures = { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), meanMs: mean(latencies) }
    return { ...figures, ...Object.fromEntries(used) }
  }

  /** Throws unless the mirror shows what the server has. */
  async expectSame(mirror: Awaited<ReturnType<typeof startMirror>>): Promise<void> {
    const sql = 'SELECT sum(abalance)::float8 AS sum, pg_current_wal_insert_lsn() AS lsn FROM pgbench_accounts'
    const [{ sum, lsn }] = (await this.clients[0].query(sql)).rows
    const mirrored = await mirror.sumOf('pgbench_accounts', 'abalance', lsn)
    if (mirrored !== sum) throw new Error(`The mirror shows a sum of ${mirrored}, the server has ${sum}.`)
  }

  private async transact(client: pg.Client): Promise<void> {
    const aid = 1 + this.draw(this.accounts)
    const bid = 1 + this.draw(this.branches)
    const tid = 1 + this.draw(this.branches * TELLERS_PER_BRANCH)
    const delta = this.draw(10_001) - 5000
    const run = (name: string, text: string, values: number[]) => client.query({ name, text, values })
    await client.query('BEGIN')
    await run('accounts', 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2', [delta, aid])
    await run('balance', 'SELECT abalance FROM pgbench_accounts WHERE aid = $1', [aid])
    await run('tellers', 'UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2', [delta, tid])
    await run('branches', 'UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2', [delta, bid])
    const history =
      'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)'
    await run('history', history, [tid, bid, aid, delta])
    await client.query('END')
  }

  private draw(below: number): number {
    return this.random[this.drawn++ % this.random.length] % below
  }
}

async function connected(connection: ServerConnection): Promise<pg.Client> {
  const client = new pg.Client(connection)
  await client.connect()
  return client
}

function medians(samples: readonly Figures[]): Figures {
  return Object.fromEntries(Object.keys(samples[0]).map((name) => [name, median(samples.map((each) => each[name]))]))
}

/** With a mirror as a share of without one, medians over the phases. */
function ratios(given: readonly Figures[], base: readonly Figures[]): Figures {
  const ratio = (name: string): number => median(given.map((each, i) => each[name] / base[i][name]))
  return {
    latencyRatio: ratio('meanMs'),
    p50Ratio: ratio('p50Ms'),
    p99Ratio: ratio('p99Ms'),
    serverTimeRatio: ratio('serverUsPerTransaction'),
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}
