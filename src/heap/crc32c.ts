const POLYNOMIAL = 0x82f63b78

/**
 * Eight tables of 256 entries in one array: entry `256 * k + b` is the register after byte `b` and `k` zero bytes
 * (M. Kounavis, F. Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators", 2005).
 */
const SLICES = makeSlices()

function makeSlices(): Int32Array {
  const slices = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0)
    slices[byte] = value
  }
  for (let at = 256; at < slices.length; at++) {
    const before = slices[at - 256]
    slices[at] = (before >>> 8) ^ slices[before & 0xff]
  }
  return slices
}

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) by tables, continued from `seed`, as an unsigned 32-bit number. */
export function crc32cByTables(bytes: Uint8Array, seed: number): number {
  const length = bytes.length
  const wholeLength = length - (length % 8)
  let crc = ~seed
  let at = 0
  for (; at < wholeLength; at += 8) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    crc =
      SLICES[1792 + (crc & 0xff)] ^
      SLICES[1536 + ((crc >>> 8) & 0xff)] ^
      SLICES[1280 + ((crc >>> 16) & 0xff)] ^
      SLICES[1024 + (crc >>> 24)] ^
      SLICES[768 + bytes[at + 4]] ^
      SLICES[512 + bytes[at + 5]] ^
      SLICES[256 + bytes[at + 6]] ^
      SLICES[bytes[at + 7]]
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ SLICES[(crc ^ bytes[at]) & 0xff]
  return ~crc >>> 0
}
