import { COPY_DATA, ERROR_RESPONSE, HEADER_BYTES, messageBytes, READY_FOR_QUERY } from './copy-protocol'

/** A piece of this size takes some milliseconds to be read. */
export const PIECE_BYTES = 1 << 18
/** A piece of so many messages too; with the chunk that makes them so many, there may be more. */
export const PIECE_MESSAGES = 8192
/** Longest time that something received waits for more. */
const LONGEST_WAIT_MS = 8
const BUFFER_BYTES = PIECE_BYTES * 2
const NEWLINE = 10

export interface GathererHandlers {
  /** Takes a piece of whole messages, whose bytes are its own until it is given back. */
  onPiece: (bytes: Buffer) => void
  /** The server has failed: what it said from there on. */
  onError: (bytes: Buffer) => void
}

/**
 * Puts received chunks of the copy protocol together to pieces of whole messages that begin with a line. A server sends
 * 8 KB at a time; what is done once for each piece that is read (a transaction, a look at every string's place) costs
 * more than the rows of so small a piece.
 */
export class ChunkGatherer {
  private buffer: Buffer = Buffer.alloc(0)
  /** Bytes in it. */
  private size = 0
  /** Where its whole messages end, and those after which a line begins. */
  private whole = 0
  private cut = 0
  private messages = 0
  private timer: NodeJS.Timeout | undefined
  private readonly spare: Buffer[] = []

  constructor(private readonly handlers: GathererHandlers) {}

  add(chunk: Buffer): void {
    this.append(chunk)
    if (this.walk()) this.flush()
    else if (this.cut > 0) this.timer ??= setTimeout(this.flush, LONGEST_WAIT_MS)
  }

  /** Hands out what is whole. */
  readonly flush = (): void => {
    clearTimeout(this.timer)
    this.timer = undefined
    const { buffer, cut } = this
    if (cut === 0) return
    const rest = buffer.subarray(cut, this.size)
    this.whole -= cut
    this.buffer = this.spare.pop() ?? Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, rest.length))
    if (this.buffer.length < rest.length) this.buffer = Buffer.allocUnsafeSlow(rest.length)
    rest.copy(this.buffer)
    this.size = rest.length
    this.cut = this.messages = 0
    this.handlers.onPiece(buffer.subarray(0, cut))
  }

  /** Takes back the memory of a piece that is not used any more. */
  giveBack(piece: Buffer): void {
    if (piece.buffer.byteLength === BUFFER_BYTES) this.spare.push(Buffer.from(piece.buffer))
  }

  /** Forgets what there is, and returns it. */
  drop(): Buffer {
    clearTimeout(this.timer)
    this.timer = undefined
    const rest = this.buffer.subarray(0, this.size)
    this.buffer = Buffer.alloc(0)
    this.size = this.whole = this.cut = this.messages = 0
    return rest
  }

  private append(chunk: Buffer): void {
    const total = this.size + chunk.length
    if (this.buffer.length < total) {
      const isLarge = this.size - this.whole >= HEADER_BYTES
      const message = isLarge ? this.whole + messageBytes(this.buffer, this.whole) + PIECE_BYTES : 0
      const larger = Buffer.allocUnsafeSlow(Math.max(total, message, BUFFER_BYTES))
      this.buffer.copy(larger, 0, 0, this.size)
      this.buffer = larger
    }
    chunk.copy(this.buffer, this.size)
    this.size = total
  }

  /** Looks at the messages that have become whole. Returns whether they are to be handed out now. */
  private walk(): boolean {
    const { buffer, size } = this
    let isLast = false
    while (size - this.whole >= HEADER_BYTES) {
      const end = this.whole + messageBytes(buffer, this.whole)
      if (end > size) break
      const type = buffer[this.whole]
      if (type === ERROR_RESPONSE) {
        const { whole } = this
        this.handlers.onError(Buffer.from(this.drop().subarray(whole)))
        return false
      }
      this.whole = end
      this.messages++
      if (type !== COPY_DATA || buffer[end - 1] === NEWLINE) this.cut = end
      if (type === READY_FOR_QUERY) isLast = true
    }
    return isLast || this.cut >= PIECE_BYTES || this.messages >= PIECE_MESSAGES
  }
}
