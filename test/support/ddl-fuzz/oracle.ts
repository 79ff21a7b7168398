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
  readonly names: readonly string[]
  readonly lsn: bigint
  readonly deadline: number
}

/** Between two looks of the mirror at the catalogue. */
export const LOOK_EVERY_MS = 25
/** A mirror that cannot prove itself right within this many looks is taken by its word. */
const LOOKS_ALLOWED = 40
const CATCH_UP_MS = 20_000
const NOTICE_MS = 5_000

/** Says whether a mirror is right: by the server's rows, and by the mirror's own verification. */
export class Oracle {
  /** By name of the mirror: the table that it was last found to be of. */
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

  /** Throws `Failure` unless the mirror is right, or says rightly that it cannot be. `looks`: how many of them to wait for at least. */
  async check({ db, mirror }: Running, looks: number): Promise<void> {
    const expected = await this.expected()
    const unfit = expected.filter((table) => table.unfit !== undefined)
    if (unfit.length > 0) await ensureNotLive(mirror, `${unfit[0]!.name}: ${unfit[0]!.unfit}`, looks)
    const names = expected.filter((table) => table.unfit === undefined).map(({ name }) => name)
    if (names.length === 0) return
    const client = await this.script.client()
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    const lsn = parseLsn(rows[0]!.lsn)
    const deadline = Date.now() + CATCH_UP_MS
    const place = { names, lsn, deadline }
    await untilLive(mirror, place)
    await pause(looks * LOOK_EVERY_MS)
    await this.compare({ db, mirror }, place)
    await this.verify(mirror, place)
  }

  private async expected(): Promise<Expected[]> {
    return readExpected(await this.script.client(), this.names, this.oids)
  }

  private async compare({ db, mirror }: Running, place: Place): Promise<void> {
    const restless = new StatusWatch(mirror, place.names)
    let differentSince: number | undefined
    for (;;) {
      await untilLive(mirror, place)
      restless.forget()
      const found = await this.difference(db, place.names)
      if (found === undefined && restless.wasLive) break
      if (!restless.wasLive) differentSince = undefined
      else differentSince ??= Date.now()
      const isSettled = differentSince !== undefined && Date.now() - differentSince > LOOKS_ALLOWED * LOOK_EVERY_MS
      if (isSettled || Date.now() > place.deadline) throw new Failure('wrong', `${found}; ${await ownWords(mirror)}`)
      await pause(LOOK_EVERY_MS)
    }
    restless.end()
  }

  private async difference(db: Store, names: readonly string[]): Promise<string | undefined> {
    const client = await this.script.client()
    for (const expected of await this.expected()) {
      if (!names.includes(expected.name)) continue
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
        await pause(LOOK_EVERY_MS)
      }
    }
  }
}

/** Notes whether a mirror was live all the time. */
class StatusWatch {
  wasLive = true
  private readonly listener = () => {
    this.wasLive = false
  }

  constructor(
    private readonly mirror: Mirror,
    private readonly names: readonly string[],
  ) {
    mirror.on('state', this.listener)
  }

  forget(): void {
    this.wasLive = areLive(this.mirror, this.names)
  }

  end(): void {
    this.mirror.off('state', this.listener)
  }
}

const isLive = (mirror: Mirror): boolean => mirror.status === 'live'
const areLive = (mirror: Mirror, names: readonly string[]): boolean =>
  names.every((name) => mirror.tables().get(name)?.status === 'live')

/** It must not be live, nor become so within some looks. */
async function ensureNotLive(mirror: Mirror, reason: string, looks: number): Promise<void> {
  const deadline = Date.now() + NOTICE_MS
  while (isLive(mirror)) {
    if (Date.now() > deadline) throw new Failure('falsely live', `The mirror is live. ${reason}`)
    await pause(LOOK_EVERY_MS)
  }
  await pause(looks * LOOK_EVERY_MS)
  if (isLive(mirror)) throw new Failure('falsely live', `The mirror is live again. ${reason}`)
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
    await mirror.waitFor(lsn, { timeoutMs: LOOK_EVERY_MS }).catch(() => undefined)
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
