import { join } from 'node:path'
import type { Files } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { DURABLE_MARK, DURABLE_MARK_MAGIC, DURABLE_MARK_NAME } from './format'
import type { RepeatedFailure } from './repeated-failure'

/**
 * Up to where a log is on the device: a commit, and the checksum of its last record, which tells it from others of its
 * number.
 */
export interface DurableMark {
  readonly version: number
  readonly checksum: number
}

/**
 * The file in a log's folder that tells followers up to where the log is on the device. It is written after each sync,
 * and never synced itself: after a power cut it may be older than the log, or torn, but it names nothing that the
 * device does not have.
 */
export class DurableMarkFile {
  private readonly path: string
  private readonly bytes = new Uint8Array(DURABLE_MARK.sizeBytes)
  private readonly view = new DataView(this.bytes.buffer)
  private fd: number | undefined
  private isWritten = false

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    folder: string,
    private readonly failure: RepeatedFailure,
  ) {
    this.path = join(folder, DURABLE_MARK_NAME)
    for (let i = 0; i < DURABLE_MARK_MAGIC.length; i++) this.bytes[i] = DURABLE_MARK_MAGIC.charCodeAt(i)
  }

  /**
   * Throws where this writer has written no mark and cannot: without one, followers would show every record, and with
   * that of an earlier writer perhaps too many.
   */
  ensureWritten(mark: DurableMark): void {
    if (!this.isWritten) this.write(mark)
  }

  /**
   * Writes the mark. Where that fails, the next one makes up for it, and records tell up to where those before them
   * are.
   */
  tryWrite(mark: DurableMark): void {
    try {
      this.write(mark)
      this.failure.isOver()
    } catch (error) {
      this.failure.happened(ioError('write', this.path, error))
    }
  }

  close(): void {
    if (this.fd !== undefined) this.files.close(this.fd)
    this.fd = undefined
  }

  private write({ version, checksum }: DurableMark): void {
    const { files, memory, path, bytes, view } = this
    this.fd ??= files.open(path, files.exists(path) ? 'r+' : 'wx+')
    view.setFloat64(DURABLE_MARK.version, version, true)
    view.setUint32(DURABLE_MARK.chain, checksum >>> 0, true)
    view.setUint32(DURABLE_MARK.checksum, memory.crc32c(bytes.subarray(0, DURABLE_MARK.checksum)), true)
    files.write(this.fd, bytes, 0)
    this.isWritten = true
  }
}

/** The mark in a log's folder; `none` without one, `torn` where it is not whole. Throws the system's errors. */
export function readDurableMark(memory: Memory, files: Files, folder: string): DurableMark | 'none' | 'torn' {
  const path = join(folder, DURABLE_MARK_NAME)
  if (!files.exists(path)) return 'none'
  const bytes = new Uint8Array(DURABLE_MARK.sizeBytes)
  const fd = files.open(path, 'r')
  let size: number
  try {
    size = files.read(fd, bytes, 0)
  } finally {
    files.close(fd)
  }
  const view = new DataView(bytes.buffer)
  const isWhole =
    size === bytes.length &&
    String.fromCharCode(...bytes.subarray(0, DURABLE_MARK_MAGIC.length)) === DURABLE_MARK_MAGIC &&
    view.getUint32(DURABLE_MARK.checksum, true) === memory.crc32c(bytes.subarray(0, DURABLE_MARK.checksum))
  if (!isWhole) return 'torn'
  return {
    version: view.getFloat64(DURABLE_MARK.version, true),
    checksum: view.getUint32(DURABLE_MARK.chain, true),
  }
}
