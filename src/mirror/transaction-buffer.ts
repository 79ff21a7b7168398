import type { Lsn } from './lsn'

const BEGIN = 0x42 // 'B'
const COMMIT = 0x43 // 'C'
const LENGTH_BYTES = 4
const SMALLEST_BYTES = 1 << 16
/** A buffer that a large transaction has made larger than this is given back once it is empty. */
const KEPT_BYTES = 1 << 22

/** Raw messages of the stream that wait to be applied, in order, copied out of the chunks they came in. */
export class TransactionBuffer {
  /** Transactions whose commit is in the buffer. */
  wholeCount = 0
  bytes = Buffer.allocUnsafe(SMALLEST_BYTES)
  /** The message that `shift` took: `bytes[start, end)`. */
  start = 0
  end = 0
  /** Where the next message's length stands. */
  private next = 0
  private filled = 0

  get sizeBytes(): number {
    return this.filled - this.next
  }

  append(source: Buffer, start: number, end: number): void {
    const needed = LENGTH_BYTES + end - start
    if (this.filled + needed > this.bytes.length) this.makeRoom(needed)
    this.bytes.writeUInt32LE(end - start, this.filled)
    source.copy(this.bytes, this.filled + LENGTH_BYTES, start, end)
    this.filled += needed
    if (source[start] === COMMIT) this.wholeCount++
  }

  /** Takes the next message; false if there is none. */
  shift(): boolean {
    if (this.next === this.filled) {
      this.clear()
      return false
    }
    this.start = this.next + LENGTH_BYTES
    this.end = this.start + this.bytes.readUInt32LE(this.next)
    this.next = this.end
    if (this.bytes[this.start] === COMMIT) this.wholeCount--
    return true
  }

  /** Where the transaction that comes next was committed; undefined unless one begins here. */
  get nextFinalLsn(): Lsn | undefined {
    const at = this.next + LENGTH_BYTES
    return this.next < this.filled && this.bytes[at] === BEGIN ? this.bytes.readBigUInt64BE(at + 1) : undefined
  }

  private clear(): void {
    this.next = this.filled = 0
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafe(SMALLEST_BYTES)
  }

  private makeRoom(needed: number): void {
    const { sizeBytes } = this
    const target =
      (sizeBytes + needed) * 2 > this.bytes.length ? Buffer.allocUnsafe((sizeBytes + needed) * 2) : this.bytes
    this.bytes.copy(target, 0, this.next, this.filled)
    this.bytes = target
    this.next = 0
    this.filled = sizeBytes
  }
}
