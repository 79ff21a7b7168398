/**
 * A growing run of bytes, also seen as signed 32-bit halves: where a value's contents are laid out before they are
 * looked up.
 */
export class Scratch {
  bytes = new Uint8Array(4096)
  halves = new Int32Array(this.bytes.buffer)

  /** Makes room for so many bytes; earlier contents are kept. */
  reserve(sizeBytes: number): void {
    if (sizeBytes <= this.bytes.length) return
    let length = this.bytes.length
    while (length < sizeBytes) length *= 2
    const bytes = new Uint8Array(length)
    bytes.set(this.bytes)
    this.bytes = bytes
    this.halves = new Int32Array(bytes.buffer)
  }

  /** Zeroes the bytes from `sizeBytes` up to the next word boundary, so that equal contents are equal words. */
  pad(sizeBytes: number): void {
    const end = (sizeBytes + 7) & ~7
    this.reserve(end)
    for (let i = sizeBytes; i < end; i++) this.bytes[i] = 0
  }
}
