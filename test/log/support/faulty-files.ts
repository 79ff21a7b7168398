import { type FileIdentity, type Files, nodeFiles } from '../../../src/heap/files'
import { ioError } from '../../../src/heap/io-error'
import type { Memory } from '../../../src/heap/memory'
import { type Device, FileNode, FolderNode, nameOf } from './device'

export type OperationKind =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'remove'
  | 'makeFolder'
  | 'syncFolder'

/** Something that was asked of the file system. */
export interface Operation {
  readonly kind: OperationKind
  /** Relative to the device's folder. */
  readonly path: string
  readonly position: number
  readonly sizeBytes: number
  /** How it failed; undefined when it did not. */
  fault?: Fault
}

/** How an operation fails. */
export interface Fault {
  /** The system's code, like `ENOSPC`. */
  readonly code: string
  /** Share of a write that is done all the same, less than 1. Default 0. */
  readonly share?: number
  /** The process dies: before the operation, or right after it. */
  readonly death?: 'before' | 'after'
}

interface InFlight {
  finish(): void
  /** The process dies. */
  abandon(): void
}

/**
 * The file system of one process on a device: real files, because memory is mapped from them, and a record of all that
 * was asked. Any operation can be made to fail. What is asynchronous ends in an order that `random` alone decides, and
 * syncs reach the device only then.
 */
export class FaultyFiles implements Files {
  readonly fileMode = nodeFiles.fileMode
  readonly operations: Operation[] = []
  /** Decides how an operation fails. */
  faultOf: (operation: Operation) => Fault | undefined = () => undefined
  /** Failures so far. */
  faults = 0
  /** The process is dead: nothing it asks for is done any more. */
  isDead = false
  /** Files whose sync failed, by path: nobody knows what the device holds of them. */
  readonly failedSyncs = new Set<string>()
  private readonly opened = new Map<number, { readonly node: FileNode; readonly path: string }>()
  private readonly inFlight: InFlight[] = []

  constructor(
    readonly device: Device,
    private readonly random: () => number = Math.random,
  ) {}

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.inFlight.length === 0
  }

  /** Paths of the files that are open. */
  get openFiles(): string[] {
    return Array.from(this.opened.values(), ({ path }) => path)
  }

  /** A memory whose syncs of folders pass through here. */
  memoryFrom(memory: Memory): Memory {
    const syncFolder = (path: string): void => {
      try {
        this.perform('syncFolder', path, () => this.device.folderAt(path).sync())
      } catch (error) {
        throw ioError('sync', path, error) // a memory throws typed errors
      }
    }
    return Object.assign(Object.create(memory) as Memory, { syncFolder })
  }

  /** The process dies: what it does from now on has no effect, what is under way may have had some. */
  kill(): void {
    if (this.isDead) return
    this.isDead = true
    for (const each of this.inFlight.splice(0)) each.abandon()
  }

  open(path: string, flags: 'r' | 'r+' | 'wx+'): number {
    const isNew = flags === 'wx+'
    let fd: number | undefined
    try {
      return this.perform(isNew ? 'create' : 'open', path, () => {
        fd = nodeFiles.open(path, flags)
        if (isNew) this.device.parentOf(path).put(nameOf(path), new FileNode())
        this.opened.set(fd, { node: this.device.fileAt(path), path })
        return fd
      })
    } catch (error) {
      if (fd !== undefined) this.close(fd) // of a process that has just died
      throw error
    }
  }

  close(fd: number): void {
    this.opened.delete(fd)
    nodeFiles.close(fd)
  }

  async closeAsync(fd: number): Promise<void> {
    this.opened.delete(fd)
    nodeFiles.close(fd)
  }

  read(fd: number, into: Uint8Array, position: number): number {
    const { path } = this.opened.get(fd)!
    return this.perform('read', path, () => nodeFiles.read(fd, into, position), position, into.length)
  }

  async readAsync(fd: number, into: Uint8Array, position: number): Promise<number> {
    const { path } = this.opened.get(fd)!
    let count = 0
    await this.later(this.record('read', path, position, into.length), (share) => {
      if (share === 1) count = nodeFiles.read(fd, into, position)
    })
    return count
  }

  write(fd: number, bytes: Uint8Array, position: number): void {
    const { node, path } = this.opened.get(fd)!
    const operation = this.record('write', path, position, bytes.length)
    this.attempt(operation, (share) => this.put(fd, node, [bytes], position, share))
  }

  writeAsync(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
    const { node, path } = this.opened.get(fd)!
    const size = buffers.reduce((sum, { length }) => sum + length, 0)
    const operation = this.record('write', path, position, size)
    // At any time before it ends, so that a buffer that changes meanwhile is found out.
    const isEarly = this.random() < 0.5
    if (isEarly && !this.isDead && operation.fault === undefined) this.put(fd, node, buffers, position, 1)
    return this.later(operation, (share) => {
      if (!isEarly || operation.fault !== undefined) this.put(fd, node, buffers, position, share)
    })
  }

  sync(fd: number): void {
    const { node, path } = this.opened.get(fd)!
    this.attempt(this.record('sync', path), (share) => {
      if (share === 1) node.sync(node.changeCount)
    })
  }

  syncAsync(fd: number): Promise<void> {
    const { node, path } = this.opened.get(fd)!
    const count = node.changeCount
    return this.later(this.record('sync', path), (share) => {
      // A descriptor that was closed meanwhile is another file's by now, or nobody's.
      if (this.opened.get(fd)?.node !== node && this.random() < 0.5) throw systemError('EBADF')
      if (share === 1 && this.opened.get(fd)?.node === node) node.sync(count)
    })
  }

  sizeBytes(fd: number): number {
    return nodeFiles.sizeBytes(fd)
  }

  truncate(fd: number, sizeBytes: number): void {
    const { node, path } = this.opened.get(fd)!
    this.perform('truncate', path, () => {
      nodeFiles.truncate(fd, sizeBytes)
      node.truncate(sizeBytes)
    })
  }

  exists(path: string): boolean {
    return nodeFiles.exists(path)
  }

  identity(file: string | number): FileIdentity | undefined {
    return nodeFiles.identity(file)
  }

  names(path: string, fd: number, sizeBytes = 0): boolean {
    return nodeFiles.names(path, fd, sizeBytes)
  }

  copyMode(from: number, to: number): void {
    nodeFiles.copyMode(from, to)
  }

  rename(from: string, to: string): void {
    this.perform('rename', from, () => {
      nodeFiles.rename(from, to)
      this.device.parentOf(from).rename(nameOf(from), nameOf(to))
    })
  }

  nameCount(path: string): number {
    return nodeFiles.nameCount(path)
  }

  link(path: string, other: string): void {
    this.perform('link', other, () => {
      nodeFiles.link(path, other)
      this.device.parentOf(other).put(nameOf(other), this.device.fileAt(path))
    })
  }

  remove(path: string): void {
    this.perform('remove', path, () => {
      nodeFiles.remove(path)
      this.device.parentOf(path).remove(nameOf(path))
    })
  }

  removeAsync(path: string): Promise<void> {
    return this.later(this.record('remove', path), (share) => {
      if (share < 1) return
      nodeFiles.remove(path)
      this.device.parentOf(path).remove(nameOf(path))
    })
  }

  list(folder: string): string[] {
    return nodeFiles.list(folder)
  }

  makeFolder(folder: string): void {
    if (nodeFiles.exists(folder)) return
    this.perform('makeFolder', folder, () => {
      nodeFiles.makeFolder(folder)
      this.device.parentOf(folder).put(nameOf(folder), new FolderNode())
    })
  }

  /** Nobody tells. */
  watch(): undefined {}

  syncFolderAsync(path: string): Promise<void> {
    return this.later(this.record('syncFolder', path), (share) => {
      if (share === 1) this.device.folderAt(path).sync()
    })
  }

  private put(fd: number, node: FileNode, buffers: readonly Uint8Array[], position: number, share: number): void {
    const all = Buffer.concat(buffers)
    const bytes = all.subarray(0, share === 1 ? all.length : Math.min(all.length - 1, Math.floor(all.length * share)))
    if (bytes.length === 0) return
    nodeFiles.write(fd, bytes, position)
    node.write(position, bytes)
  }

  private perform<T>(kind: OperationKind, path: string, work: () => T, position = 0, sizeBytes = 0): T {
    let result: T | undefined
    this.attempt(this.record(kind, path, position, sizeBytes), (share) => {
      if (share === 1) result = work()
    })
    return result!
  }

  private record(kind: OperationKind, path: string, position = 0, sizeBytes = 0): Operation {
    const operation: Operation = { kind, path: this.device.pathOf(path), position, sizeBytes }
    if (this.isDead) return operation
    const fault = this.faultOf(operation)
    if (fault !== undefined) {
      operation.fault = fault
      this.faults++
    }
    this.operations.push(operation)
    return operation
  }

  /** Does something with the share of it that succeeds; throws when that is not all. */
  private attempt({ kind, path, fault }: Operation, work: (share: number) => void): void {
    if (this.isDead) throw systemError('EIO')
    if (fault === undefined) work(1)
    else {
      if (fault.death === 'after') work(1)
      else if (fault.share !== undefined) work(fault.share)
      if (fault.death !== undefined) this.kill()
      if (kind === 'sync') this.failedSyncs.add(path)
      throw systemError(fault.code)
    }
  }

  private later(operation: Operation, work: (share: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.isDead) {
        reject(systemError('EIO'))
        return
      }
      const settle = (run: () => void): void => {
        try {
          run()
          resolve()
        } catch (error) {
          reject(error)
        }
      }
      this.inFlight.push({
        finish: () => settle(() => this.attempt(operation, work)),
        abandon: () =>
          settle(() => {
            if (operation.kind === 'write') work(this.random())
            throw systemError('EIO')
          }),
      })
      if (this.inFlight.length === 1) this.goOn()
    })
  }

  /** Ends what is under way, one by one, in turns of the event loop. */
  private goOn(): void {
    setImmediate(() => {
      if (this.inFlight.length === 0) return
      if (this.random() < 0.6) {
        const [next] = this.inFlight.splice(Math.floor(this.random() * this.inFlight.length), 1)
        next.finish()
      }
      if (this.inFlight.length > 0) this.goOn()
    })
  }
}

/** An error as Node's `fs` throws it. */
export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made to fail`), { code })
}
