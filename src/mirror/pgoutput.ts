import { SnapheapError } from '../errors'
import type { Lsn } from './lsn'

/** What stands in a tuple at one column. `UNCHANGED`: an oversized (TOAST) value that the update did not touch. */
export const FIELD_NULL = 0x6e // 'n'
export const FIELD_UNCHANGED = 0x75 // 'u'
export const FIELD_TEXT = 0x74 // 't'

/** One row of a message: column `i` is of `kinds[i]` and, if that is text, stands at `bytes[starts[i], ends[i])`. */
export class Tuple {
  count = 0
  kinds = new Uint8Array(64)
  starts = new Int32Array(64)
  ends = new Int32Array(64)

  reset(count: number): void {
    if (count > this.kinds.length) {
      const capacity = 2 ** Math.ceil(Math.log2(count))
      this.kinds = new Uint8Array(capacity)
      this.starts = new Int32Array(capacity)
      this.ends = new Int32Array(capacity)
    }
    this.count = count
  }
}

/** The replica identity of a table: its primary key, nothing, the whole row, or an index. */
export type ReplicaIdentity = 'd' | 'n' | 'f' | 'i'

export interface RelationColumn {
  name: string
  /** Part of the replica identity. */
  isKey: boolean
  typeOid: number
  typeModifier: number
}

export interface Relation {
  oid: number
  schema: string
  name: string
  replicaIdentity: ReplicaIdentity
  columns: RelationColumn[]
}

/**
 * What a stream tells, in its order. `bytes` and tuples are valid until the call returns. The old tuple of an update or
 * delete is the replica identity's columns (`oldIsKey`, all others null) or the whole old row.
 */
export interface ChangeHandler {
  begin(finalLsn: Lsn, commitTimeMs: number, xid: number): void
  /** `endLsn` is where the next transaction starts: the place to continue from. */
  commit(commitLsn: Lsn, endLsn: Lsn, commitTimeMs: number): void
  relation(relation: Relation): void
  insert(relationOid: number, bytes: Buffer, row: Tuple): void
  update(relationOid: number, bytes: Buffer, row: Tuple, old: Tuple | undefined, oldIsKey: boolean): void
  delete(relationOid: number, bytes: Buffer, old: Tuple, oldIsKey: boolean): void
  truncate(relationOids: number[]): void
}

/** Milliseconds from 1970-01-01 to 2000-01-01, where Postgres begins to count. */
export const POSTGRES_EPOCH_MS = 946_684_800_000

/**
 * Decoder of the `pgoutput` plugin's protocol version 1, without `binary` and `streaming`: PostgreSQL manual, "Logical
 * Replication Message Formats". Each call takes one whole message. Origin, Type and logical decoding messages carry
 * nothing that a table needs: they are checked and passed over. Throws `POSTGRES` on anything malformed and never reads
 * outside the message.
 */
export class PgoutputDecoder {
  private bytes: Buffer = Buffer.alloc(0)
  private position = 0
  private end = 0
  private readonly row = new Tuple()
  private readonly old = new Tuple()

  constructor(private readonly handler: ChangeHandler) {}

  decode(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.position = start
    this.end = Math.min(end, bytes.length)
    const type = this.uint8()
    switch (type) {
      case 0x49: // I
        this.insert()
        break
      case 0x55: // U
        this.update()
        break
      case 0x44: // D
        this.delete()
        break
      case 0x42: // B
        this.begin()
        break
      case 0x43: // C
        this.commit()
        break
      case 0x52: // R
        this.relation()
        break
      case 0x54: // T
        this.truncate()
        break
      case 0x4f: // O: origin
        this.skip(8)
        this.text()
        break
      case 0x59: // Y: type
        this.skip(4)
        this.text()
        this.text()
        break
      case 0x4d: // M: logical decoding message
        this.skip(9)
        this.text()
        this.skip(this.int32())
        break
      default:
        throw malformed(`unknown message type 0x${type.toString(16)}`)
    }
    if (this.position !== this.end) throw malformed(`${this.end - this.position} bytes too many in a message`)
  }

  private begin(): void {
    const finalLsn = this.lsn()
    const commitTimeMs = this.timeMs()
    this.handler.begin(finalLsn, commitTimeMs, this.uint32())
  }

  private commit(): void {
    this.skip(1) // flags, unused
    const commitLsn = this.lsn()
    const endLsn = this.lsn()
    this.handler.commit(commitLsn, endLsn, this.timeMs())
  }

  private insert(): void {
    const oid = this.uint32()
    this.marker(0x4e) // N
    this.tuple(this.row)
    this.handler.insert(oid, this.bytes, this.row)
  }

  private update(): void {
    const oid = this.uint32()
    const marker = this.uint8()
    const isKey = marker === 0x4b // K
    const hasOld = isKey || marker === 0x4f // O
    if (hasOld) {
      this.tuple(this.old)
      this.marker(0x4e)
    } else if (marker !== 0x4e) {
      throw malformed(`unknown tuple marker 0x${marker.toString(16)}`)
    }
    this.tuple(this.row)
    this.handler.update(oid, this.bytes, this.row, hasOld ? this.old : undefined, isKey)
  }

  private delete(): void {
    const oid = this.uint32()
    const marker = this.uint8()
    if (marker !== 0x4b && marker !== 0x4f) throw malformed(`unknown tuple marker 0x${marker.toString(16)}`)
    this.tuple(this.old)
    this.handler.delete(oid, this.bytes, this.old, marker === 0x4b)
  }

  private truncate(): void {
    const count = this.int32()
    this.skip(1) // CASCADE and RESTART IDENTITY: the cascaded tables are in the list themselves
    if (count < 0 || count * 4 > this.end - this.position) throw malformed(`a truncation of ${count} tables`)
    this.handler.truncate(Array.from({ length: count }, () => this.uint32()))
  }

  private relation(): void {
    const oid = this.uint32()
    const schema = this.text() || 'pg_catalog'
    const name = this.text()
    const replicaIdentity = String.fromCharCode(this.uint8()) as ReplicaIdentity
    if (!'dnfi'.includes(replicaIdentity)) throw malformed(`replica identity ${JSON.stringify(replicaIdentity)}`)
    const columns: RelationColumn[] = []
    for (let count = this.int16(); count > 0; count--) {
      const isKey = (this.uint8() & 1) === 1
      columns.push({ isKey, name: this.text(), typeOid: this.uint32(), typeModifier: this.int32() })
    }
    this.handler.relation({ oid, schema, name, replicaIdentity, columns })
  }

  private tuple(tuple: Tuple): void {
    const count = this.int16()
    if (count < 0) throw malformed(`a row of ${count} columns`)
    tuple.reset(count)
    for (let i = 0; i < count; i++) {
      const kind = this.uint8()
      tuple.kinds[i] = kind
      if (kind === FIELD_TEXT) {
        const length = this.int32()
        tuple.starts[i] = this.position
        this.skip(length)
        tuple.ends[i] = this.position
      } else if (kind !== FIELD_NULL && kind !== FIELD_UNCHANGED) {
        throw malformed(`unknown kind of field 0x${kind.toString(16)}`)
      }
    }
  }

  // Reading, bounded by the message.

  private skip(length: number): void {
    if (length < 0 || length > this.end - this.position) throw malformed('a message is cut short')
    this.position += length
  }

  private marker(expected: number): void {
    const marker = this.uint8()
    if (marker !== expected) throw malformed(`unknown tuple marker 0x${marker.toString(16)}`)
  }

  private uint8(): number {
    this.skip(1)
    return this.bytes[this.position - 1]!
  }

  private int16(): number {
    this.skip(2)
    return this.bytes.readInt16BE(this.position - 2)
  }

  private int32(): number {
    this.skip(4)
    const { bytes, position } = this
    return (
      (bytes[position - 4]! << 24) | (bytes[position - 3]! << 16) | (bytes[position - 2]! << 8) | bytes[position - 1]!
    )
  }

  private uint32(): number {
    return this.int32() >>> 0
  }

  private lsn(): Lsn {
    this.skip(8)
    return this.bytes.readBigUInt64BE(this.position - 8)
  }

  private timeMs(): number {
    const high = this.int32()
    return (high * 0x1_0000_0000 + this.uint32()) / 1000 + POSTGRES_EPOCH_MS
  }

  private text(): string {
    const end = this.bytes.indexOf(0, this.position)
    if (end < 0 || end >= this.end) throw malformed('a name without an end')
    const text = this.bytes.toString('utf8', this.position, end)
    this.position = end + 1
    return text
  }
}

function malformed(what: string): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: the replication stream is malformed: ${what}. Connect again to read it anew.`,
    { isTransient: true },
  )
}
