import { SnapheapError } from '../errors'

/**
 * A place in the Postgres write-ahead log, in bytes since the log began (unsigned, 64 bits).
 * Text form `16/B374D848`: the high and the low 32 bits in hexadecimal.
 */
export type Lsn = bigint

/** Before every real LSN: Postgres itself writes it `0/0` and means "none". */
export const NO_LSN: Lsn = 0n

/**
 * SQL that makes the server's log complete on its device. Without: what others have written stays out of what a slot is
 * sent until somebody commits, and the end of the log may stand behind a page header that is never written by itself.
 */
export const FLUSH_LOG =
  "BEGIN READ WRITE; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'snapheap', ''); COMMIT"

/** The LSN in `text`. Throws `INVALID_ARGUMENT` unless it has the form `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const parts = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (parts === null) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text) ?? String(text)} is not an LSN. Pass one as Postgres prints it, such as 16/B374D848.`,
      { text },
    )
  }
  return (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`)
}

/** `lsn` as Postgres prints it. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}
