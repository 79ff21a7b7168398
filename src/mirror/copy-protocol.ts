import { SnapheapError } from '../errors'

/** Message types of the wire protocol (PostgreSQL manual, "Message Formats"). */
export const COPY_DATA = 0x64 // 'd'
export const COPY_DONE = 0x63 // 'c'
export const COPY_OUT_RESPONSE = 0x48 // 'H'
export const COPY_BOTH_RESPONSE = 0x57 // 'W'
export const ERROR_RESPONSE = 0x45 // 'E'
export const READY_FOR_QUERY = 0x5a // 'Z'
/** Type and length, before the payload of a message. */
export const HEADER_BYTES = 5

/** Bytes of the message at `position`, of which at least the header is there. Throws `POSTGRES`. */
export function messageBytes(bytes: Buffer, position: number): number {
  const length = bytes.readUInt32BE(position + 1)
  if (length < 4 || length > 0x7fffffff) {
    throw new SnapheapError(
      'POSTGRES',
      `Postgres: a message of ${length} bytes does not fit the protocol. Check that the connection leads straight ` +
        'to a Postgres server.',
      { isTransient: true },
    )
  }
  return length + 1
}
