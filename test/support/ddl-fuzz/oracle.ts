import type { Store } from '../../../src/db/store'
import { parseLsn } from '../../../src/mirror/lsn'
import type { Mirror } from '../../../src/mirror/mirror'
import { difference, type Expected, readExpected } from './comparison'
import type { Script } from './script'

/**
 * `wrong`: other rows than Postgres has, or a soundness problem of the heap, while the mirror says that it is live.
 * `falsely live`: live, though a table cannot be mirrored. `not live`: not in step again. `given up`: failed for good.
 * `blocked`: SQL of others waited too long. `error`: everything else that was thrown.
 */
export type FailureKind = 'wrong' | 'falsely live' | 'not live' | 'given up' | 'blocked' | 'error'

export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message)
  }
}

/** The mirror as it runs at the moment. */
export interface Running {
  db: Store
  mirror: Mirror
}

/** The tables that must be live, and up to where, until when. */
interface Place {
  readonly tables: readonly Expected[]
  readonly names: readonly string[]
  readonly lsn: bigint
  readonly deadline: number
}

/** Between two looks of the mirror at the catalogue. */
export const LOOK_INTERVAL_MS = 25
/**
 * A mirror that has ended so many looks, and been live all the time, is taken by its word: a change is seen by the
 * first look that begins after it, and acted on by the second or third.
 */
const LOOKS_ALLOWED = 12
/** And that for at least so long: what the stream has to bring is not a matter of looks. */
const SETTLED_MS = 1_000
const CATCH_UP_MS = 60_000

/** Says whether a mirror is right: by the server's rows, and by the mirror's own verification. */
export class Oracle {
  /** By name of the mirror: the table that it was last checked to be of. */
  private readonly oids = new Map<string, string>()

  constructor(
    private readonly script: Script,
    private readonly names: readonly string[],
  ) {}

  /** Why the mirror cannot be live at the moment. */
  async unfit(): Promise<string | undefined> {
    const found = (await this.expected()).find(({ unfit }) => unfit !== undefined)
    return found && `${found.name}: ${found.unfit}`
  }

  /**
   * Throws `Failure` unless the mirror is right, or says rightly that it cannot be. `looks`: how many of them to wait
   * for at least.
   */
  async check(running: Running, looks: number): Promise<void> {
    const expected = await this.expected()
    const unfit = expected.filter((table) => table.unfit !== undefined)
    if (unfit.length > 0) await this.ensureNotLive(running.mirror, `${unfit[0]!.name}: ${unfit[0]!.unfit}`, looks)
    await this.checkFit(running, expected, looks)
    // Not before: a mirror that was away does not know what a name stood for meanwhile.
    for (const { name, oid } of expected) {
      if (oid === undefined) this.oids.delete(name)
      else this.oids.set(name, oid)
    }
  }

  private async checkFit({ db, mirror }: Running, expected: readonly Expected[], looks: number): Promise<void> {
    const fit = expected.filter((table) => table.unfit === undefined)
    if (fit.length === 0) return
    const client = await this.script.client()
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    const lsn = parseLsn(rows[0]!.lsn)
    const deadline = Date.now() + CATCH_UP_MS
    const place = { tables: fit, names: fit.map(({ name }) => name), lsn, deadline }
    await untilLive(mirror, place)
    await pause(looks * LOOK_INTERVAL_MS)
    await this.compare({ db, mirror }, place)
    await this.verify(mirror, place)
  }

  private async expected(): Promise<Expected[]> {
    return readExpected(await this.script.client(), this.names, this.oids)
  }

  private async compare({ db, mirror }: Running, place: Place): Promise<void> {
    const watch = new StatusWatch(mirror)
    let doubt: Doubt | undefined
    for (;;) {
      await untilLive(mirror, place)
      const { changes } = watch
      const found = await this.difference(db, place.tables)
      const wasLive = watch.changes === changes && areLive(mirror, place.names)
      if (found === undefined && wasLive) break
      if (found === undefined || !wasLive) doubt = undefined
      else if (doubt?.changes !== changes) doubt = new Doubt(changes)
      doubt?.add(await this.lastLook())
      const isLate = Date.now() > place.deadline
      if (doubt !== undefined && (doubt.isSettled || isLate))
        throw new Failure('wrong', `${found}; ${await ownWords(mirror)}`)
      if (isLate) throw new Failure('not live', `The mirror does not come to rest; ${found}`)
      await pause(LOOK_INTERVAL_MS)
    }
    watch.end()
  }

  /** When the mirror has ended its last look at the catalogue, as the server knows it; undefined during one. */
  private async lastLook(): Promise<string | undefined> {
    const client = await this.script.client()
    const { rows } = await client.query<{ ended: string | null }>(
      `SELECT max(query_start)::text AS ended FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'snapheap' AND pid <> pg_backend_pid()
         AND backend_type = 'client backend' AND state = 'idle'`,
    )
    return rows[0]!.ended ?? undefined
  }

  /** It must not be live after some looks, nor become so within some more. */
  private async ensureNotLive(mirror: Mirror, reason: string, looks: number): Promise<void> {
    const doubt = new Doubt(0)
    const deadline = Date.now() + CATCH_UP_MS
    while (isLive(mirror)) {
      doubt.add(await this.lastLook())
      if (doubt.isSettled || Date.now() > deadline) throw new Failure('falsely live', `The mirror is live. ${reason}`)
      await pause(LOOK_INTERVAL_MS)
    }
    await pause(looks * LOOK_INTERVAL_MS)
    if (isLive(mirror)) throw new Failure('falsely live', `The mirror is live again. ${reason}`)
  }

  private async difference(db: Store, tables: readonly Expected[]): Promise<string | undefined> {
    const client = await this.script.client()
    for (const expected of tables) {
      const found = await difference(client, db, expected)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The rows are right: the verification must say so. */
  private async verify(mirror: Mirror, place: Place): Promise<void> {
    for (;;) {
      await untilLive(mirror, place)
      try {
        const { isSame, tables } = await mirror.verify()
        if (isSame) return
        throw new Failure('wrong', `the oracles disagree: rows are the same, verify says ${JSON.stringify(tables)}`)
      } catch (error) {
        if (error instanceof Failure) throw error
        if (Date.now() > place.deadline) throw new Failure('error', `verify: ${error}`)
        await pause(LOOK_INTERVAL_MS)
      }
    }
  }
}

/** Counts the changes of a mirror's status. */
class StatusWatch {
  changes = 0
  private readonly listener = () => {
    this.changes++
  }

  constructor(private readonly mirror: Mirror) {
    mirror.on('status', this.listener)
  }

  end(): void {
    this.mirror.off('status', this.listener)
  }
}

/** That a mirror is wrong, from when a difference was first seen while its status stays the same. */
class Doubt {
  private readonly sinceMs = Date.now()
  private readonly looks = new Set<string>()

  /** `changes`: of the status, until then. */
  constructor(readonly changes: number) {}

  add(look: string | undefined): void {
    if (look !== undefined) this.looks.add(look)
  }

  /** Enough looks have begun and ended: the first one known may have ended before. */
  get isSettled(): boolean {
    return this.looks.size > LOOKS_ALLOWED + 1 && Date.now() - this.sinceMs > SETTLED_MS
  }
}

const isLive = (mirror: Mirror): boolean => mirror.status === 'live'
const areLive = (mirror: Mirror, names: readonly string[]): boolean => {
  const tables = mirror.tables() // which reads what the heap keeps of them
  return names.every((name) => tables.get(name)?.status === 'live')
}

/** Until tables are live and have everything before an LSN. */
async function untilLive(mirror: Mirror, { names, lsn, deadline }: Place): Promise<void> {
  while (!areLive(mirror, names) || parseLsn(mirror.lag().lsn) < lsn) {
    const { status, error } = mirror
    if (status === 'failed') throw new Failure('given up', `The mirror has failed: ${error?.message}`)
    if (Date.now() > deadline) {
      throw new Failure('not live', `The mirror is ${status} at ${mirror.lag().lsn}: ${error?.message ?? 'no error'}`)
    }
    // Asks the server how far it is.
    await mirror.waitFor(lsn, { timeoutMs: LOOK_INTERVAL_MS }).catch(() => undefined)
    if (!areLive(mirror, names)) await pause(5)
  }
}

/** What the mirror's own verification says. */
async function ownWords(mirror: Mirror): Promise<string> {
  try {
    const { isSame } = await mirror.verify()
    return isSame ? 'the oracles disagree: verify finds no difference' : 'verify finds a difference too'
  } catch (error) {
    return `verify: ${error}`
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
