import type pg from 'pg'
import { SnapheapError } from '../errors'
import { ChunkGatherer } from './chunk-gatherer'
import { postgresError } from './connection'
import {
  COPY_BOTH_RESPONSE,
  COPY_DATA,
  COPY_DONE,
  COPY_OUT_RESPONSE,
  ERROR_RESPONSE,
  HEADER_BYTES,
  messageBytes,
  READY_FOR_QUERY,
} from './copy-protocol'
import { PieceQueue } from './piece-queue'
import { ReadPace } from './read-pace'

/** Longest uninterrupted work on received bytes before other events get their turn. */
const SLICE_MS = 8

/** Payload of one CopyData message: `bytes[start, end)`, valid and free to be changed until the call returns. */
export type CopyDataHandler = (bytes: Buffer, start: number, end: number) => void

export interface CopyChannelHandlers {
  onData: CopyDataHandler
  /**
   * May take whole messages of received bytes from `position` on; returns where it stopped. The next one goes its usual
   * way.
   */
  onMessages?: (bytes: Buffer, position: number) => number
  /** The server has entered copy mode. */
  onStart?: () => void
  /**
   * Received chunks are put together to pieces of whole messages, for up to some milliseconds: for lines of which many
   * come at once. Default false.
   */
  gathers?: boolean
  /** Time between two reads of the socket, see `ReadPace`. Default 0: what comes is read. */
  readIntervalMs?: number | undefined
  /** With each such piece, before it is read: may begin to prepare it, while others are read. */
  prepare?: ((bytes: Buffer) => Promise<void> | undefined) | undefined
  /**
   * With each received chunk: must call `read` once, which hands out what the chunk holds. A promise suspends receiving
   * until it is settled; a rejection ends the channel. Default: just reads.
   */
  onChunk?: (read: () => void) => Promise<void> | undefined
}

/**
 * A command that puts the connection into copy mode (`COPY … TO STDOUT`, `START_REPLICATION`), to be passed to
 * `client.query`. While it lasts, this object, not `pg`, reads the socket: CopyData payloads are handed out as they
 * stand in the received chunks, without an object or a copy per message, and reading can be suspended. Everything
 * else goes on to `pg`, so errors and the end of the command take their usual way.
 */
export class CopyChannel implements pg.Submittable {
  /** Pieces of any size that have come from the socket. */
  receivedChunks = 0
  /**
   * Settled when the command has ended and the connection is ready for the next; rejects with `POSTGRES`, or with what
   * a handler threw.
   */
  readonly done: Promise<void>
  private resolveDone!: () => void
  private rejectDone!: (error: Error) => void
  private isSettled = false
  private isReading = false
  private pauses = 0
  private connection: pg.Connection | undefined
  private passToPg: ((chunk: Buffer) => void) | undefined
  /** A message that is not complete yet: its first `partialBytes` bytes, in a buffer that grows to its length. */
  private partial: Buffer = Buffer.alloc(0)
  private partialBytes = 0
  private sliceStart = 0
  private readonly gatherer: ChunkGatherer | undefined
  private readonly queue: PieceQueue
  private isHeldBack = false
  private readonly pace: ReadPace
  private isHandingOn = false
  /** The connection is ready for the next command. */
  private isReady = false

  constructor(
    private readonly command: string,
    private readonly doing: string,
    private readonly handlers: CopyChannelHandlers,
  ) {
    if (handlers.gathers === true) this.gatherer = new ChunkGatherer({ onPiece: this.enqueue, onError: this.hearError })
    this.pace = new ReadPace(handlers.readIntervalMs ?? 0)
    this.queue = new PieceQueue({
      prepare: handlers.prepare,
      handOn: this.takePiece,
      onDone: this.releasePiece,
      onError: (error) => this.fail(error),
    })
    this.done = new Promise((resolve, reject) => {
      this.resolveDone = resolve
      this.rejectDone = reject
    })
    this.done.catch(() => undefined) // the owner may look at it later
  }

  /** Called by `pg` when the connection's turn comes. */
  submit(connection: pg.Connection): void {
    this.connection = connection
    const listeners = connection.stream.listeners('data') as ((chunk: Buffer) => void)[]
    if (listeners.length !== 1) {
      this.fail(
        new SnapheapError('INTERNAL', 'Unexpected readers on a Postgres connection. Use a supported version of pg.'),
      )
      return
    }
    this.passToPg = listeners[0]!
    connection.stream.removeListener('data', this.passToPg)
    connection.stream.on('data', this.receive)
    this.isReading = true
    connection.query(this.command)
  }

  /** Stops reading until `resume` has been called as often; the kernel's buffers then hold the server back. */
  pause(): void {
    if (this.pauses++ === 0) this.connection?.stream.pause()
  }

  resume(): void {
    if (--this.pauses === 0) this.connection?.stream.resume()
  }

  get isPaused(): boolean {
    return this.pauses > 0
  }

  /** Sends `payload` as one CopyData message. */
  send(payload: Uint8Array): void {
    const header = Buffer.alloc(HEADER_BYTES)
    header[0] = COPY_DATA
    header.writeInt32BE(payload.length + 4, 1)
    this.connection?.stream.write(Buffer.concat([header, payload]))
  }

  /** Asks the server to leave copy mode; `done` settles when it has. */
  finish(): void {
    this.connection?.stream.write(Buffer.from([COPY_DONE, 0, 0, 0, 4]))
  }

  /** Gives up: cuts the connection and rejects `done` with `error`. */
  fail(error: Error): void {
    this.gatherer?.drop()
    this.queue.drop()
    this.settle(error)
    this.connection?.stream.destroy()
  }

  private readonly receive = (chunk: Buffer): void => {
    this.receivedChunks++
    if (this.gatherer === undefined) {
      this.take(chunk)
      return
    }
    try {
      this.gatherer.add(chunk)
    } catch (error) {
      this.fail(error as Error)
    }
  }

  private readonly enqueue = (piece: Buffer): void => {
    this.queue.add(piece)
    if (this.isHeldBack || !this.queue.isFull) return
    this.isHeldBack = true
    this.pause()
  }

  private readonly takePiece = (piece: Buffer): Promise<void> | undefined => {
    return this.handOn(() => {
      if (this.isReading) this.read(piece)
    })
  }

  /** What has been read counts as received once its handler is done: it may fail after the end of the command. */
  private handOn(read: () => void): Promise<void> | undefined {
    this.isHandingOn = true
    const suspended = this.handlers.onChunk === undefined ? void read() : this.handlers.onChunk(read)
    if (suspended !== undefined) return suspended.then(() => this.handedOn())
    this.handedOn()
    return undefined
  }

  private handedOn(): void {
    this.isHandingOn = false
    if (this.isReady) this.settle()
  }

  private readonly releasePiece = (piece: Buffer): void => {
    this.gatherer!.giveBack(piece)
    if (!this.isHeldBack || this.queue.isFull) return
    this.isHeldBack = false
    this.resume()
  }

  /** What the server has sent before an error is of no use any more. */
  private readonly hearError = (rest: Buffer): void => {
    this.queue.drop()
    this.giveBack()
    this.passToPg?.(rest)
  }

  private readonly take = (chunk: Buffer): void => {
    this.beginSlice()
    try {
      const suspended = this.handOn(() => this.read(chunk))
      if (suspended !== undefined) {
        this.pause()
        suspended.then(
          () => this.resume(),
          (error) => this.fail(error),
        )
      }
    } catch (error) {
      this.fail(error as Error)
      return
    }
    this.yieldAfterSlice()
    const pauseMs = this.isReading ? this.pace.pauseAfter(chunk.length) : 0
    if (pauseMs > 0) this.pauseFor(pauseMs)
  }

  private pauseFor(ms: number): void {
    this.pause()
    setTimeout(() => this.resume(), ms)
  }

  /** The socket may deliver megabytes in one turn of the event loop: they are cut into slices. */
  private beginSlice(): void {
    if (this.sliceStart !== 0) return
    this.sliceStart = performance.now()
    setImmediate(() => {
      this.sliceStart = 0
    })
  }

  private yieldAfterSlice(): void {
    if (performance.now() - this.sliceStart < SLICE_MS) return
    this.pause()
    setImmediate(() => this.resume())
  }

  private read(chunk: Buffer): void {
    let position = this.partialBytes > 0 ? this.completePartial(chunk) : 0
    const { onMessages } = this.handlers
    while (this.isReading && chunk.length - position >= HEADER_BYTES) {
      if (onMessages !== undefined && !this.isSettled) position = onMessages(chunk, position)
      if (chunk.length - position < HEADER_BYTES) break
      const end = position + messageBytes(chunk, position)
      if (end > chunk.length) break
      this.handle(chunk, position, end)
      position = end
    }
    if (this.isReading) {
      if (position < chunk.length) this.keepPartial(chunk.subarray(position))
      return
    }
    // Bytes received after the end of copy mode belong to pg.
    const rest = [chunk.subarray(position), ...this.queue.drop(), this.gatherer?.drop()]
    for (const bytes of rest) if (bytes !== undefined && bytes.length > 0) this.passToPg?.(bytes)
  }

  /** Adds the head of `chunk` to the incomplete message; returns how much of `chunk` that took. */
  private completePartial(chunk: Buffer): number {
    let taken = 0
    if (this.partialBytes < HEADER_BYTES) {
      taken = Math.min(HEADER_BYTES - this.partialBytes, chunk.length)
      this.keepPartial(chunk.subarray(0, taken))
      if (this.partialBytes < HEADER_BYTES) return taken
    }
    const length = messageBytes(this.partial, 0)
    if (this.partial.length < length) {
      const larger = Buffer.allocUnsafe(length)
      this.partial.copy(larger, 0, 0, this.partialBytes)
      this.partial = larger
    }
    const more = Math.min(length - this.partialBytes, chunk.length - taken)
    this.keepPartial(chunk.subarray(taken, taken + more))
    if (this.partialBytes === length) {
      const message = this.partial
      this.partial = Buffer.alloc(0)
      this.partialBytes = 0
      this.handle(message, 0, length)
    }
    return taken + more
  }

  private keepPartial(bytes: Buffer): void {
    const total = this.partialBytes + bytes.length
    if (this.partial.length < total) {
      const larger = Buffer.allocUnsafe(Math.max(total, HEADER_BYTES))
      this.partial.copy(larger, 0, 0, this.partialBytes)
      this.partial = larger
    }
    bytes.copy(this.partial, this.partialBytes)
    this.partialBytes = total
  }

  private handle(bytes: Buffer, start: number, end: number): void {
    const type = bytes[start]
    if (type === COPY_DATA) {
      if (!this.isSettled) this.handlers.onData(bytes, start + HEADER_BYTES, end)
      return
    }
    if (type === COPY_OUT_RESPONSE || type === COPY_BOTH_RESPONSE) {
      this.handlers.onStart?.()
      return
    }
    // What ends copy mode ends this object's reading; the rest of the command is for pg.
    if (type === COPY_DONE || type === ERROR_RESPONSE || type === READY_FOR_QUERY) this.giveBack()
    if (type !== COPY_DONE) this.passToPg?.(bytes.subarray(start, end))
  }

  private giveBack(): void {
    const stream = this.connection!.stream
    this.isReading = false
    stream.removeListener('data', this.receive)
    stream.on('data', this.passToPg!)
  }

  private settle(error?: Error): void {
    if (this.isSettled) return
    this.isSettled = true
    if (error === undefined) this.resolveDone()
    else this.rejectDone(error)
  }

  // Called by pg for the command under way.

  handleError(error: Error): void {
    if (this.isReading) this.giveBack()
    this.queue.drop()
    this.gatherer?.drop()
    this.settle(postgresError(this.doing, error))
  }

  handleReadyForQuery(): void {
    this.isReady = true
    if (!this.isHandingOn) this.settle()
  }

  handleCommandComplete(): void {}

  /** A WAL sender may still send a keepalive behind its CopyDone. */
  handleCopyData(): void {}
}
