import { SnapheapError } from '../errors'
import { newestRootOf } from '../heap/file-states'
import type { Files } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { LogCursor, type LogEnd, type LogPlace } from './cursor'
import { LOG_FORMAT_VERSION, logFolderOf, OLDEST_LOG_FORMAT_VERSION, RECORD, recordUnits } from './format'
import { decodeHead, RecordBytes } from './record'
import { damagedLog } from './segments'

/** Bytes looked through at once. */
export const SCAN_BYTES = 1 << 20

/** What is known of where a log must lead to. */
export interface LogBounds {
  /** The version of the state that it was replayed onto. */
  readonly version: number
  /** Up to where it led when that state was saved. */
  readonly logged: number
  /**
   * Up to where its writer says that it was on the device. In a copy of a log that is written this may be beyond its
   * end.
   */
  readonly durable: number
}

/**
 * The reason why a log cannot be continued where its replay has ended, undefined if it can. `end`: why there is no
 * further commit.
 */
export function damageAtEnd(
  { memory, files, path }: { memory: Memory; files: Files; path: string },
  cursor: LogCursor,
  end: LogEnd,
  { version, logged, durable }: LogBounds,
): SnapheapError | undefined {
  const folder = logFolderOf(path)
  if (end === 'gap') return missing(folder, version)
  if (cursor.damage !== undefined) return cursor.damage
  const { place } = cursor
  if (place === undefined) return undefined
  if (cursor.version < logged) return endsBefore(path, folder, cursor.version, logged)
  const lost = Math.max(cursor.version, version) + 1
  if (durable >= lost && cursor.bytesBehind > 0) return notWhole(place, lost)
  return damageBehind(memory, files, place, lost)
}

function notWhole({ path, offsetBytes }: LogPlace, lost: number): SnapheapError {
  return damagedLog(path, offsetBytes, `commit ${lost} is not whole, though it was on the device`)
}

/**
 * Proves that the newest state in the file at `path` and its log are of one history. Throws `CORRUPT` naming both, as
 * opening does, and `IO`.
 */
export function ensureOneHistory(memory: Memory, files: Files, path: string): void {
  if (!files.exists(path)) return
  const { version, point } = newestRootOf(memory, files, path)
  const cursor = new LogCursor(memory, files, logFolderOf(path), undefined, { version, point })
  try {
    const next = cursor.next()
    if (typeof next !== 'string') return
    const isOver = next === 'end' || next === 'partial' || next === 'beyond'
    if (cursor.damage !== undefined && cursor.isOfOtherHistory) throw cursor.damage
    if (isOver && cursor.place !== undefined && cursor.version < (point?.loggedVersion ?? 0))
      throw endsBefore(path, logFolderOf(path), cursor.version, point!.loggedVersion)
  } finally {
    cursor.close()
  }
}

/** As `damageBehind`, for a segment whose header does not say in which format its records are. */
export function damageInTorn(memory: Memory, files: Files, path: string, lost: number): SnapheapError | undefined {
  for (let formatVersion = LOG_FORMAT_VERSION; formatVersion >= OLDEST_LOG_FORMAT_VERSION; formatVersion--) {
    const damage = damageBehind(memory, files, { path, offsetBytes: 0, formatVersion }, lost)
    if (damage !== undefined) return damage
  }
  return undefined
}

/**
 * The error for bytes behind the last whole commit, where a record in them proves that commit `lost`, the next, was on
 * the device: in the log, for what the heap has anyway may have been only in its file. Throws `IO`.
 */
export function damageBehind(memory: Memory, files: Files, place: LogPlace, lost: number): SnapheapError | undefined {
  const search = new DamageSearch(memory, files, place, lost)
  for (;;) {
    const damage = search.look()
    if (damage !== undefined || search.isOver) return damage
  }
}

/**
 * Looks, piece by piece, behind a place where no whole record stands, for a later one which proves that a whole one
 * stood there.
 */
export class DamageSearch {
  /** Nothing is left to be looked through, as far as the segment reaches now. */
  isOver = false
  private position: number

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    readonly place: LogPlace,
    /** The commit that is not whole. */
    private readonly lost: number,
  ) {
    this.position = place.offsetBytes
  }

  /** Looks at the next piece. Returns the error for what it proves to be damaged. Throws `IO`. */
  look(): SnapheapError | undefined {
    const { files, place } = this
    let fd: number | undefined
    try {
      this.isOver = !files.exists(place.path)
      if (this.isOver) return undefined
      fd = files.open(place.path, 'r')
      return this.lookIn(fd)
    } catch (error) {
      throw ioError('read', place.path, error)
    } finally {
      if (fd !== undefined) files.close(fd)
    }
  }

  private lookIn(fd: number): SnapheapError | undefined {
    const { files, memory, place, lost, position } = this
    const headUnits = recordUnits(place.formatVersion)
    const end = files.sizeBytes(fd)
    const window = new RecordBytes(new Uint8Array(SCAN_BYTES + headUnits * 4), headUnits)
    const length = files.read(fd, window.bytes, position)
    this.isOver = position + length >= end
    this.position = Math.min(position + SCAN_BYTES, (position + length) & ~7)
    for (let at = 0; at < SCAN_BYTES && at + headUnits * 4 <= length; at += 8) {
      // cheap tests before the checksum
      const synced = window.doubles[at / 8 + RECORD.syncedVersion / 2]
      if (!(synced >= lost && window.doubles[at / 8 + RECORD.version / 2] > synced)) continue
      const sizeBytes = window.units[at / 4 + RECORD.size] >>> 0
      if (sizeBytes % 8 !== 0 || position + at + sizeBytes > end) continue
      const record = new RecordBytes(new Uint8Array(sizeBytes), headUnits)
      const read = files.read(fd, record.bytes, position + at)
      if (decodeHead(memory, record, 0, read) === undefined) continue
      return notWhole(place, lost)
    }
    return undefined
  }
}

export function missing(folder: string, version: number): SnapheapError {
  return new SnapheapError(
    'CORRUPT',
    version === 0
      ? `The log in ${folder} continues a file that is not there. Put the file back, or move the folder away.`
      : `The log in ${folder} does not continue the file, which holds version ${version}. Put the missing ` +
          `segments back, or open it with { recovery: 'cut' } to go on from the file and give up every commit in ` +
          'them.',
    { path: folder, version },
  )
}

/** The file was saved when its log led further than it leads now. */
function endsBefore(path: string, folder: string, version: number, logged: number): SnapheapError {
  return new SnapheapError(
    'CORRUPT',
    `The log in ${folder} ends at commit ${version}, and led to commit ${logged} when the file ${path} was saved: ` +
      'it was copied before the file, or segments are missing. Copy the log again, behind the file; or move the ' +
      `folder away, or open with { recovery: 'cut' }, to go on from the file, which is whole.`,
    { path, folder, version, loggedVersion: logged },
  )
}
