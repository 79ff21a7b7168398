import type pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import type { MirroredLeafOf } from './apply'
import type { SourceTable } from './catalogue'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import type { CopiedTable, Copies } from './copy-tables'
import { Deferred } from './deferred'
import { Follower, type FollowerOptions } from './follower'
import { HistoryProof } from './history-proof'
import { type Lsn, parseLsn } from './lsn'
import { dropSlot, FLUSHED_LOG, type SlotKind, slotStatus } from './slot'
import { ReplicationStream, STOP_TIMEOUT_MS } from './stream'
import { swapIn } from './swap'

export interface JoiningRequest {
  store: Store
  connection: ConnectionOptions
  client: pg.Client
  slot: string
  publication: string
  ddlTrigger: boolean
  /** The stream that the copies join. */
  follower: Follower
  stream: ReplicationStream
  /** Copies the first of some tables that have so many bytes, or all, at the beginning of a new slot. */
  copy: (tables: readonly SourceTable[], copySlot: SlotKind & { name: string }, mostBytes: number) => Promise<Copies>
  prove: FollowerOptions['prove']
  /** Tables are in step with the others. */
  onJoined: (copies: Copies) => void
  /** Ends everything that is waited for. */
  signal: AbortSignal
}

/** Tables are copied and join the others in groups of about so many bytes of rows: each has a slot of its own. */
const GROUP_BYTES = 1 << 22
/** Two streams are as near to each other as this when they are asked to come to one place. */
const NEAR_BYTES = 1n << 20n
const LOOK_INTERVAL_MS = 20
/** The others stand still for so long at most, apart from the time that it takes to put the copies in place. */
const MEET_WITHIN_MS = 2_000

/**
 * Copies tables while others are followed, and has them join these: a few at a time, small ones first, so that an
 * interruption does not concern those that have joined. Each time the copies catch up by a stream of their own, from
 * the slot at whose beginning they were taken, until both streams have come to the same place. Throws `POSTGRES`,
 * `TIMEOUT`.
 */
export async function joinTables(request: JoiningRequest, tables: readonly SourceTable[]): Promise<void> {
  for (let rest = tables; rest.length > 0; ) {
    const replication = await connect(request.connection, 'replication', undefined, request.signal)
    try {
      const copies = await copyAndCatchUp(request, replication, firstGroup(rest))
      if (request.store.path !== undefined) await request.store.sync()
      rest = rest.filter(({ oid }) => copies.tables.every(({ source }) => source.oid !== oid))
    } finally {
      await disconnect(replication)
    }
  }
}

/** Only these are locked against ALTER TABLE meanwhile. */
function firstGroup(tables: readonly SourceTable[]): SourceTable[] {
  const bySize = [...tables].sort((a, b) => a.sizeBytes - b.sizeBytes)
  let sizeBytes = 0
  return bySize.filter((table, i) => {
    sizeBytes += table.sizeBytes
    return i === 0 || sizeBytes <= GROUP_BYTES
  })
}

async function copyAndCatchUp(
  request: JoiningRequest,
  replication: pg.Client,
  tables: readonly SourceTable[],
): Promise<Copies> {
  const { store, slot, publication, ddlTrigger, prove } = request
  const name = `${slot}_copy`
  await removeLost(request.client, name)
  const copies = await request.copy(tables, { name, temporary: true, on: replication }, GROUP_BYTES)
  const follower = new Follower({
    store,
    startLsn: copies.lsn,
    leaves: copies.tables.flatMap((copied) => leavesIn(copied, copied.copyName)),
    history: new HistoryProof(name, { lsn: copies.lsn, lastLsn: null, lastXid: null }, copies.lsn),
    writeProgress: () => undefined,
    onAdvance: () => stream.acknowledge(follower.appliedLsn, follower.appliedLsn),
    prove,
  })
  const { onMessage, onKeepalive, onChunk } = follower
  const stream: ReplicationStream = new ReplicationStream(
    replication,
    { slot: name, publication, startLsn: copies.lsn, hasMessages: ddlTrigger },
    { onMessage, onKeepalive, onChunk },
  )
  const meeting = new Meeting(request, { follower, stream, copies })
  const met = meeting.run()
  try {
    await Promise.race([stream.done, met])
    return copies
  } finally {
    meeting.isOver = true
    await met.catch(() => undefined) // what is being put in place is there, or is not, before anything else
    await follower.abandon(joined())
    await stream.stopWithin(STOP_TIMEOUT_MS)
  }
}

/**
 * Removes a slot that a lost connection of this mirror has left, as long as the server has not noticed the loss. One
 * that is not temporary is somebody else's.
 */
async function removeLost(client: pg.Client, name: string): Promise<void> {
  const status = await slotStatus(client, name)
  if (status?.isTemporary === true) await dropSlot(client, name, status.activePid)
}

/** The copied leaves of a table, whose rows are in `table`. */
function leavesIn({ source, leaves }: CopiedTable, table: string): MirroredLeafOf[] {
  const copied = source.leaves.filter(({ oid }) => leaves === undefined || leaves.includes(oid))
  return copied.map((leaf) => ({ source, leaf, table }))
}

/** Brings the stream of copies and the stream of the other tables to one place, and puts the copies in place there. */
class Meeting {
  /** Nobody waits for it any more. */
  isOver = false

  constructor(
    private readonly request: JoiningRequest,
    private readonly own: { follower: Follower; stream: ReplicationStream; copies: Copies },
  ) {}

  async run(): Promise<void> {
    const { connection, signal } = this.request
    const client = await connect(connection, 'query', undefined, signal)
    try {
      while (!this.isOver && !(this.isNear && (await this.meet(client)))) await this.lookAgain()
    } finally {
      await disconnect(client)
    }
  }

  private get isNear(): boolean {
    const ahead = this.request.follower.appliedLsn - this.own.follower.appliedLsn
    return ahead < NEAR_BYTES && -ahead < NEAR_BYTES
  }

  private async lookAgain(): Promise<void> {
    this.request.signal.throwIfAborted()
    this.askBoth()
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
  }

  private askBoth(): void {
    this.request.stream.requestKeepalive()
    this.own.stream.requestKeepalive()
  }

  /** False where the streams do not come to one place in time. Both stand still while the place is chosen. */
  private async meet(client: pg.Client): Promise<boolean> {
    const chosen = new Deferred<Lsn>()
    const arrived = new Deferred<boolean>()
    const over = new Deferred()
    const chooseOwn = async (): Promise<Lsn> => {
      chosen.resolve(await readFlushedLsn(client))
      return chosen.promise
    }
    const standOwn = (): Promise<void> => {
      arrived.resolve(true)
      return over.promise
    }
    let standing: Promise<void> | undefined
    const choose = (): Promise<Lsn> => {
      standing = this.own.follower.standAt(chooseOwn, standOwn, MEET_WITHIN_MS).catch((error) => {
        chosen.reject(error)
        arrived.resolve(false)
      })
      return chosen.promise
    }
    const putInPlace = async (): Promise<boolean> => {
      const isThere = await arrived.promise
      if (isThere) await this.putInPlace()
      return isThere
    }
    const asking = setInterval(() => this.askBoth(), LOOK_INTERVAL_MS)
    const late = setTimeout(() => chosen.reject(noPlace()), MEET_WITHIN_MS)
    try {
      return await this.request.follower.standAt(choose, putInPlace, MEET_WITHIN_MS)
    } catch (error) {
      if ((error as SnapheapError).code === 'TIMEOUT') return false
      throw error
    } finally {
      clearInterval(asking)
      clearTimeout(late)
      over.resolve()
      await standing
    }
  }

  private async putInPlace(): Promise<void> {
    const { store, slot, follower, onJoined } = this.request
    const { copies } = this.own
    await follower.commitHere((transaction) => swapIn(transaction, store, slot, copies.tables))
    await this.own.follower.abandon(joined())
    for (const copied of copies.tables) follower.follow(leavesIn(copied, copied.name))
    onJoined(copies)
  }
}

function noPlace(): SnapheapError {
  const what = `The server did not tell the place in its log within ${MEET_WITHIN_MS} ms. It is asked again.`
  return new SnapheapError('TIMEOUT', what, { isTransient: true })
}

function joined(): SnapheapError {
  return new SnapheapError('CLOSED', 'The copies have joined the other tables, or will be made anew.')
}

/** Everything that was sent to anybody ends before this. */
async function readFlushedLsn(client: pg.Client): Promise<Lsn> {
  const sql = `SELECT (${FLUSHED_LOG})::text AS lsn`
  const [row] = await queryRows<{ lsn: string }>(client, 'reading the place in the log failed', sql)
  return parseLsn(row!.lsn)
}
