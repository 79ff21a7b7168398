/** A piece of this size takes some milliseconds to be read. */
const PIECE_BYTES = 1 << 18
/** Longest time that something received waits for more. */
const LONGEST_WAIT_MS = 8
/** ReadyForQuery, the last message that the server sends for a command, without its last byte. Row data has no zero bytes. */
const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5])

/**
 * Puts received chunks together. A server sends 8 KB at a time; what is done once for each piece that is read (a transaction,
 * a look at every string's place) costs more than the rows of so small a piece.
 */
export class ChunkGatherer {
  private gathered: Buffer | undefined
  private size = 0
  private timer: NodeJS.Timeout | undefined

  /** `onPiece` is handed each piece; its bytes stay as they are until it returns, or until more is added. */
  constructor(private readonly onPiece: (bytes: Buffer) => void) {}

  add(chunk: Buffer): void {
    const isLast = chunk.indexOf(READY_FOR_QUERY, Math.max(0, chunk.length - READY_FOR_QUERY.length - 1)) >= 0
    if (this.size === 0 && (isLast || chunk.length >= PIECE_BYTES)) {
      this.onPiece(chunk)
      return
    }
    this.append(chunk)
    if (isLast || this.size >= PIECE_BYTES) this.flush()
    else this.timer ??= setTimeout(this.flush, LONGEST_WAIT_MS)
  }

  /** Hands out what there is. */
  readonly flush = (): void => {
    const { size } = this
    this.drop()
    if (size > 0) this.onPiece(this.gathered!.subarray(0, size))
  }

  /** Forgets what there is. */
  drop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.size = 0
  }

  private append(chunk: Buffer): void {
    const total = this.size + chunk.length
    if (this.gathered === undefined || this.gathered.length < total) {
      const larger = Buffer.allocUnsafeSlow(Math.max(total, PIECE_BYTES * 2))
      this.gathered?.copy(larger, 0, 0, this.size)
      this.gathered = larger
    }
    chunk.copy(this.gathered, this.size)
    this.size = total
  }
}
