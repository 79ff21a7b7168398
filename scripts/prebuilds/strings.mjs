/** The text up to the next zero byte, as all formats of binaries keep names. */
export function stringAt(bytes, offset) {
  return bytes.toString('latin1', offset, bytes.indexOf(0, offset))
}
