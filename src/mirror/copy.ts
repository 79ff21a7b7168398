import type pg from 'pg'
import { SnapheapError } from '../errors'
import { noAnswer } from './connection'
import { CopyChannel } from './copy-channel'
import { HEADER_BYTES } from './copy-protocol'

const TAB = 9
const NEWLINE = 10
const BACKSLASH = 0x5c

/**
 * One row: field `i` is `bytes[starts[i], ends[i])` in the text form of its type, or NULL where `ends[i]` is -1.
 * `starts` and `ends` are valid until the call returns, `bytes` until the chunk has been read.
 */
export type CopyRowHandler = (bytes: Buffer, starts: Int32Array, ends: Int32Array) => void

/**
 * Splits the text format of COPY into rows and fields without making an object or a copy of either.
 * Format: PostgreSQL manual, COPY, "Text Format". Escapes are resolved in place, in the buffer handed in.
 */
export class CopyTextParser {
  /** Rows handed out so far. */
  rowCount = 0
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  /** The beginning of a row that came in parts. */
  private partialRow: Buffer | undefined

  constructor(
    private readonly columnCount: number,
    private readonly onRow: CopyRowHandler,
  ) {
    this.starts = new Int32Array(columnCount)
    this.ends = new Int32Array(columnCount)
  }

  /** A row has come in part: what follows is the rest of it. */
  get isInsideRow(): boolean {
    return this.partialRow !== undefined && this.partialRow.length > 0
  }

  /** Takes the next piece of data, `bytes[start, end)`. A server sends whole rows; pieces of rows are put together. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.partialRow !== undefined) {
      bytes = Buffer.concat([this.partialRow, bytes.subarray(start, end)])
      start = 0
      end = bytes.length
      this.partialRow = undefined
    }
    if (bytes[end - 1] !== NEWLINE) {
      const wholeRowsEnd = Math.max(start, bytes.subarray(0, end).lastIndexOf(NEWLINE) + 1)
      this.partialRow = Buffer.from(bytes.subarray(wholeRowsEnd, end))
      end = wholeRowsEnd
    }
    this.parseRows(bytes, start, end)
  }

  /** Call when the data has ended: throws `POSTGRES` if that was in the middle of a row. */
  finish(): void {
    if (!this.isInsideRow) return
    throw malformed(`the data ends inside row ${this.rowCount + 1}`)
  }

  private parseRows(bytes: Buffer, start: number, end: number): void {
    const { starts, ends, columnCount } = this
    let column = 0
    let fieldStart = start
    let isEscaped = false
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      if (byte > NEWLINE && byte !== BACKSLASH) continue
      if (byte === BACKSLASH) {
        isEscaped = true
        i++ // the next byte belongs to the escape
      } else if (byte === TAB || byte === NEWLINE) {
        if (column === columnCount) throw malformed(`row ${this.rowCount + 1} has more than ${columnCount} columns`)
        starts[column] = fieldStart
        ends[column] = isEscaped ? resolveEscapes(bytes, fieldStart, i) : i
        column++
        isEscaped = false
        fieldStart = i + 1
        if (byte === NEWLINE) {
          if (column !== columnCount)
            throw malformed(`row ${this.rowCount + 1} has ${column} columns, not ${columnCount}`)
          this.rowCount++
          this.onRow(bytes, starts, ends)
          column = 0
        }
      }
    }
    if (fieldStart !== end) throw malformed(`row ${this.rowCount + 1} ends inside an escape`)
  }
}

/** Resolves the escapes of a field in place; returns its new end, or -1 for NULL (`\N`). */
function resolveEscapes(bytes: Buffer, start: number, end: number): number {
  let write = bytes.indexOf(BACKSLASH, start)
  if (end - start === 2 && write === start && bytes[start + 1] === 0x4e) return -1
  for (let read = write; read < end; read++) {
    let byte = bytes[read]!
    if (byte === BACKSLASH) byte = unescaped(bytes[++read]!)
    bytes[write++] = byte
  }
  return write
}

function unescaped(letter: number): number {
  switch (letter) {
    case 0x62: // b
      return 8
    case 0x66: // f
      return 12
    case 0x6e: // n
      return NEWLINE
    case 0x72: // r
      return 13
    case 0x74: // t
      return TAB
    case 0x76: // v
      return 11
    default:
      return letter
  }
}

function malformed(what: string): SnapheapError {
  return new SnapheapError('POSTGRES', `Postgres: the COPY data is malformed: ${what}. Start the copy again.`, {
    isTransient: true,
  })
}

export interface CopyProgress {
  /** Rows handed out so far. */
  rows: number
  /** Bytes of row data received so far. */
  bytes: number
}

export interface CopyHandlers {
  onRow: CopyRowHandler
  /**
   * May take messages of one row each, from `position` of received bytes on, a faster way; the rest comes to `onRow`.
   * Returns where it stopped and how many rows those were.
   */
  onMessages?: (bytes: Buffer, position: number) => { position: number; rows: number }
  /** With each received piece of some 256 KB, before `onChunk`: may begin to prepare it, while others are read. */
  prepare?: ((bytes: Buffer) => Promise<void> | undefined) | undefined
  /**
   * With each received piece of some 256 KB: must call `read` once, which hands out its rows. A promise suspends the
   * copy until it is settled. Default: just reads.
   */
  onChunk?: (read: () => void) => Promise<void> | undefined
  /** After each piece. */
  onProgress?: (progress: CopyProgress) => void
  /** Default: silence is waited out. */
  silence?: CopySilence
}

/**
 * When nothing comes for a while, `isAtWork` tells whether the server still works on the copy; else it is given up.
 * Never rejects.
 */
export interface CopySilence {
  afterMs: number
  isAtWork: () => Promise<boolean>
}

/**
 * Runs `command` (`COPY … TO STDOUT`, text format) on `client` and hands out its rows of `columnCount` columns. Gives
 * the event loop its turn at least every 10 ms, apart from what a handler takes. Resolves with the totals when the last
 * row has been handed out; rejects with `POSTGRES`, or with what a handler threw (the connection is then cut).
 */
export async function copyRows(
  client: pg.Client,
  command: string,
  columnCount: number,
  handlers: CopyHandlers,
): Promise<CopyProgress> {
  const parser = new CopyTextParser(columnCount, handlers.onRow)
  const progress: CopyProgress = { rows: 0, bytes: 0 }
  const channel = new CopyChannel(command, 'the copy failed', {
    gathers: true,
    prepare: handlers.prepare,
    onData(bytes, start, end) {
      progress.bytes += end - start
      parser.push(bytes, start, end)
    },
    onMessages(bytes, position) {
      if (parser.isInsideRow && position === 0) throw malformed('a row ends in another piece')
      if (handlers.onMessages === undefined || parser.isInsideRow) return position
      const taken = handlers.onMessages(bytes, position)
      parser.rowCount += taken.rows
      progress.bytes += taken.position - position - taken.rows * HEADER_BYTES
      return taken.position
    },
    onChunk(read) {
      const readAndTell = (): void => {
        read()
        progress.rows = parser.rowCount
        handlers.onProgress?.(progress)
      }
      return handlers.onChunk === undefined ? void readAndTell() : handlers.onChunk(readAndTell)
    },
  })
  client.query(channel)
  const stop = handlers.silence === undefined ? undefined : watchSilence(channel, handlers.silence)
  await channel.done.finally(stop)
  parser.finish()
  progress.rows = parser.rowCount
  return progress
}

/**
 * Returns what ends the watch. Counts intervals, not time: this process may have been held up, with bytes still in the
 * socket.
 */
function watchSilence(channel: CopyChannel, { afterMs, isAtWork }: CopySilence): () => void {
  let heard = -1
  let isAsking = false
  const timer = setInterval(async () => {
    const isSilent = channel.receivedChunks === heard && !channel.isPaused
    heard = channel.receivedChunks
    if (!isSilent || isAsking) return
    isAsking = true
    const isAlive = await isAtWork()
    isAsking = false
    if (!isAlive && channel.receivedChunks === heard && !channel.isPaused)
      channel.fail(noAnswer('the copy has gone silent', afterMs))
  }, afterMs)
  return () => clearInterval(timer)
}
