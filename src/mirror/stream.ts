import pg from 'pg'
import { SnapheapError } from '../errors'
import { CopyChannel } from './copy-channel'
import { formatLsn, type Lsn, NO_LSN } from './lsn'
import { POSTGRES_EPOCH_MS } from './pgoutput'

const XLOG_DATA = 0x77 // 'w'
const XLOG_DATA_HEADER_BYTES = 25
const KEEPALIVE = 0x6b // 'k'
const KEEPALIVE_BYTES = 18
const STATUS_UPDATE = 0x72 // 'r'
const STATUS_BYTES = 34

/** Time for the server to end a stream in order. */
export const STOP_TIMEOUT_MS = 1_500

export interface StreamOptions {
  slot: string
  publication: string
  /** Transactions that ended at or before this are not sent again. Must not lie before what the slot has confirmed. */
  startLsn: Lsn
  /**
   * How often the position of the owner is sent to the server. Below half of its `wal_sender_timeout`. Default 2500.
   */
  statusIntervalMs?: number
  /** What comes within this time is taken together. Default 0: as it comes. */
  applyIntervalMs?: number | undefined
  /** Also logical decoding messages. Default false. */
  hasMessages?: boolean
}

export interface StreamHandlers {
  /** One `pgoutput` message in `bytes[start, end)`, valid until the call returns. */
  onMessage: (bytes: Buffer, start: number, end: number) => void
  /** The server has sent everything up to `walEnd` that concerns this stream; a status may be on its way next. */
  onKeepalive: (walEnd: Lsn) => void
  /** The server has not answered for three status intervals; `false` when it answers again. */
  onSilence?: (isSilent: boolean) => void
  /** After each received piece of some 64 KB. A promise suspends reading until it is settled. */
  onChunk?: () => Promise<void> | undefined
}

/**
 * Status intervals without a byte from a server that was asked to answer, after which the state of the server counts as
 * unknown, and after which the connection counts as dead. A server that decodes a large transaction may not answer for
 * a while.
 */
const SILENT_INTERVALS = 3
const DEAD_INTERVALS = 12

/**
 * The receiving end of a replication slot, on `client`, a replication connection that serves nothing else from now on.
 * Protocol: PostgreSQL manual, "Streaming Replication Protocol". Only `acknowledge` ever moves what is confirmed.
 */
export class ReplicationStream {
  /** Resolves after `stop`; rejects with `POSTGRES` when the server ends the stream or the connection is lost. */
  readonly done: Promise<void>
  private readonly channel: CopyChannel
  private readonly timer: NodeJS.Timeout
  private receivedLsn: Lsn
  /** None until the owner says so: having applied something is not having it on disk. */
  private durableLsn: Lsn = NO_LSN
  /** When the server last answered. */
  heardMs = Date.now()
  /** High and low half of the last known end of the server's log. */
  private walEndHigh = 0
  private walEndLow = 0
  private silentIntervals = 0
  private hasStarted = false
  private isStopping = false

  constructor(
    client: pg.Client,
    options: StreamOptions,
    private readonly handlers: StreamHandlers,
  ) {
    const { slot, publication, startLsn, applyIntervalMs, hasMessages = false, statusIntervalMs = 2_500 } = options
    this.receivedLsn = startLsn
    const names = pg.escapeLiteral(pg.escapeIdentifier(publication))
    this.channel = new CopyChannel(
      `START_REPLICATION SLOT ${pg.escapeIdentifier(slot)} LOGICAL ${formatLsn(startLsn)} ` +
        `(proto_version '1', publication_names ${names}${hasMessages ? ", messages 'true'" : ''})`,
      `replication from slot "${slot}" ended`,
      {
        onStart: () => {
          this.hasStarted = true
          this.heard()
          if (this.isStopping) this.channel.finish()
        },
        readIntervalMs: applyIntervalMs,
        onData: (bytes, start, end) => this.receive(bytes, start, end),
        onChunk: (read) => {
          read()
          this.heard()
          return handlers.onChunk?.()
        },
      },
    )
    this.timer = setInterval(() => this.tick(), statusIntervalMs)
    this.done = this.channel.done
      .finally(() => clearInterval(this.timer))
      .then(
        () => this.ended(slot),
        (error) => {
          throw endedBy(error, slot)
        },
      )
    this.done.catch(() => undefined) // the owner may look at it later
    client.query(this.channel)
  }

  /** End of the server's log as of its last message; `NO_LSN` before the first. For telling the lag. */
  get walEnd(): Lsn {
    return (BigInt(this.walEndHigh) << 32n) | BigInt(this.walEndLow)
  }

  /**
   * What is acknowledged to the server from now on: everything before `received` has been taken in, everything before
   * `durable` is on disk and need not be kept for us. Sent with the next status, at once if `sendNow`.
   */
  acknowledge(received: Lsn, durable: Lsn, sendNow = false): void {
    if (received > this.receivedLsn) this.receivedLsn = received
    if (durable > this.durableLsn) this.durableLsn = durable
    if (sendNow) this.sendStatus(false)
  }

  /** Asks the server to say how far it is: `onKeepalive` is called with the answer. */
  requestKeepalive(): void {
    this.sendStatus(true)
  }

  /**
   * Sends a last status and ends the stream; messages still under way are thrown away. Resolves when that is done or
   * the connection is lost, never rejects. The client is the caller's to end.
   */
  async stop(): Promise<void> {
    if (!this.isStopping) {
      this.sendStatus(false)
      this.isStopping = true
      if (this.hasStarted) this.channel.finish()
    }
    await this.done.catch(() => undefined)
  }

  /** The same, but does not wait longer for the server. */
  async stopWithin(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([this.stop(), timeout])
    clearTimeout(timer)
  }

  private ended(slot: string): void {
    if (this.isStopping) return
    throw new SnapheapError('POSTGRES', `Postgres: the server ended replication from slot "${slot}". Connect again.`, {
      isTransient: true,
    })
  }

  private receive(bytes: Buffer, start: number, end: number): void {
    if (this.isStopping) return
    const type = bytes[start]
    if (type === XLOG_DATA && end - start >= XLOG_DATA_HEADER_BYTES) {
      this.noteWalEnd(bytes, start + 9)
      this.handlers.onMessage(bytes, start + XLOG_DATA_HEADER_BYTES, end)
    } else if (type === KEEPALIVE && end - start >= KEEPALIVE_BYTES) {
      this.noteWalEnd(bytes, start + 1)
      this.handlers.onKeepalive(this.walEnd)
      if (bytes[start + 17] === 1) this.sendStatus(false)
    } else {
      throw new SnapheapError(
        'POSTGRES',
        `Postgres: an unknown replication message (type ${type}, ${end - start} bytes). Connect again to read it anew.`,
        { isTransient: true },
      )
    }
  }

  private heard(): void {
    this.heardMs = Date.now()
    if (this.silentIntervals >= SILENT_INTERVALS) this.handlers.onSilence?.(false)
    this.silentIntervals = 0
  }

  private noteWalEnd(bytes: Buffer, position: number): void {
    this.walEndHigh = bytes.readUInt32BE(position)
    this.walEndLow = bytes.readUInt32BE(position + 4)
  }

  /**
   * Counts intervals, not time: after a long pause of this process the timer fires before the socket is read, and the
   * bytes that came meanwhile are still to be seen. A stream that has not begun waits for the answer to its command.
   */
  private tick(): void {
    const isListening = !this.channel.isPaused
    if (!isListening || ++this.silentIntervals <= DEAD_INTERVALS) {
      this.sendStatus(isListening)
      if (isListening && this.silentIntervals === SILENT_INTERVALS) this.handlers.onSilence?.(true)
      return
    }
    this.channel.fail(
      new SnapheapError(
        'POSTGRES',
        `Postgres: no answer during ${DEAD_INTERVALS} status intervals, though one was asked for. ` +
          'The connection is dead; connect again.',
        { isTransient: true },
      ),
    )
  }

  private sendStatus(wantsReply: boolean): void {
    if (!this.hasStarted || this.isStopping) return
    const status = Buffer.alloc(STATUS_BYTES)
    status[0] = STATUS_UPDATE
    status.writeBigUInt64BE(this.receivedLsn, 1)
    status.writeBigUInt64BE(this.durableLsn, 9)
    // "Applied" is what others can see: a status never claims more than what is durable.
    status.writeBigUInt64BE(this.durableLsn, 17)
    status.writeBigInt64BE(BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n, 25)
    status[33] = wantsReply ? 1 : 0
    this.channel.send(status)
  }
}

/**
 * The slot, or before version 18 the publication, was dropped under the stream (undefined_object): the next
 * session finds that out, and makes it anew. An error of another kind than those of connections, resources and
 * operators (classes 08, 28, 53, 55, 57 and 58) is one of decoding.
 */
function endedBy(error: unknown, slot: string): unknown {
  if (!(error instanceof SnapheapError) || typeof error.details.sqlState !== 'string') return error
  const { code, message, details, cause } = error
  const { sqlState } = error.details
  if (sqlState === '42704') return new SnapheapError(code, message, { ...details, isTransient: true }, cause)
  if (/^(08|28|53|55|57|58)/.test(sqlState)) return error
  return new SnapheapError(code, message, { ...details, undecodedSlot: slot, isTransient: true }, cause)
}
