import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** The unit in which a device writes: a write that was under way may be there up to any sector, and not beyond. */
const SECTOR_BYTES = 512

interface Written {
  readonly position: number
  readonly bytes: Buffer
}
type FileChange = Written | { readonly sizeBytes: number }

/** A file as a device may hold it: what was synced is there, of what was changed since, anything may be. */
export class FileNode {
  private durable: Buffer = Buffer.alloc(0)
  private readonly pending: FileChange[] = []
  private appliedCount = 0

  /** Changes made so far: what a sync that begins now covers. */
  get changeCount(): number {
    return this.appliedCount + this.pending.length
  }

  write(position: number, bytes: Buffer): void {
    this.pending.push({ position, bytes })
  }

  truncate(sizeBytes: number): void {
    this.pending.push({ sizeBytes })
  }

  /** The first `count` changes are on the device. */
  sync(count: number): void {
    for (; this.appliedCount < count; this.appliedCount++) this.durable = applied(this.durable, this.pending.shift()!)
  }

  /** What is left after a power cut; without `random`, only what was synced. */
  survivor(random: (() => number) | undefined): Buffer {
    let left: Buffer = Buffer.from(this.durable)
    if (random === undefined) return left
    for (const change of this.pending) {
      const luck = random()
      if (luck < 0.35) continue
      if ('bytes' in change && luck > 0.7) for (const part of torn(change, random)) left = applied(left, part)
      else left = applied(left, change)
    }
    return left
  }

  /** A file that has been on the device for long. */
  static holding(bytes: Buffer): FileNode {
    const node = new FileNode()
    node.durable = bytes
    return node
  }
}

type Entries = Map<string, FileNode | FolderNode>
type NameChange = (entries: Entries) => void

/** A folder: its names are synced by itself, apart from the files. */
export class FolderNode {
  readonly entries: Entries = new Map()
  private readonly durable: Entries = new Map()
  private pending: NameChange[] = []

  put(name: string, node: FileNode | FolderNode): void {
    this.change((entries) => entries.set(name, node))
  }

  remove(name: string): void {
    this.change((entries) => entries.delete(name))
  }

  rename(from: string, to: string): void {
    const node = this.entries.get(from)!
    this.change((entries) => {
      entries.delete(from)
      entries.set(to, node)
    })
  }

  sync(): void {
    for (const change of this.pending) change(this.durable)
    this.pending = []
  }

  survivors(random: (() => number) | undefined): Entries {
    const left: Entries = new Map(this.durable)
    if (random === undefined) return left
    const isInOrder = random() < 0.5
    for (const change of this.pending) {
      if (random() < 0.5) change(left)
      else if (isInOrder) break
    }
    return left
  }

  private change(change: NameChange): void {
    change(this.entries)
    this.pending.push(change)
  }
}

/** A real folder and, beside it, what the device is sure to hold of it. */
export class Device {
  constructor(
    readonly folder: string,
    private readonly root = new FolderNode(),
  ) {}

  pathOf(path: string): string {
    return relative(this.folder, path).split(sep).join('/')
  }

  fileAt(path: string): FileNode {
    const node = this.parentOf(path).entries.get(nameOf(path))
    if (node instanceof FileNode) return node
    throw new Error(`${path} was not made through the device`)
  }

  folderAt(path: string): FolderNode {
    if (path === this.folder) return this.root
    return this.parentOf(path).entries.get(nameOf(path)) as FolderNode
  }

  parentOf(path: string): FolderNode {
    return this.folderAt(join(path, '..'))
  }

  /**
   * Cuts the power: what is left, in a new folder of its own, as the machine finds it when it starts again. Without
   * `random`, exactly what was synced.
   */
  cut(random: (() => number) | undefined, folder: string): Device {
    return new Device(folder, leave(this.root, random, folder))
  }
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(sep) + 1)
}

function leave(from: FolderNode, random: (() => number) | undefined, folder: string): FolderNode {
  const root = new FolderNode()
  mkdirSync(folder, { recursive: true })
  for (const [name, node] of from.survivors(random)) {
    const path = join(folder, name)
    if (node instanceof FolderNode) root.put(name, leave(node, random, path))
    else {
      const bytes = node.survivor(random)
      writeFileSync(path, bytes)
      root.put(name, FileNode.holding(bytes))
    }
  }
  root.sync()
  return root
}

function applied(to: Buffer, change: FileChange): Buffer {
  if ('sizeBytes' in change) return resized(to, change.sizeBytes)
  const { position, bytes } = change
  const result = position + bytes.length > to.length ? resized(to, position + bytes.length) : to
  bytes.copy(result, position)
  return result
}

function resized(bytes: Buffer, sizeBytes: number): Buffer {
  if (sizeBytes <= bytes.length) return bytes.subarray(0, sizeBytes)
  const larger = Buffer.alloc(sizeBytes)
  bytes.copy(larger)
  return larger
}

/** What arrives of a write: all but a run of sectors at its end, at its beginning or in between. */
function torn({ position, bytes }: Written, random: () => number): Written[] {
  const end = position + bytes.length
  const sectors = Math.ceil(end / SECTOR_BYTES) - Math.floor(position / SECTOR_BYTES)
  const at = (): number => {
    const sector = Math.floor(position / SECTOR_BYTES) + Math.floor(random() * (sectors + 1))
    return Math.min(end, Math.max(position, sector * SECTOR_BYTES))
  }
  const [a, b] = [at(), at()].sort((x, y) => x - y)
  const kind = random()
  const lost = kind < 0.5 ? [a, end] : kind < 0.7 ? [position, b] : [a, b]
  const part = (from: number, to: number): Written => ({
    position: from,
    bytes: bytes.subarray(from - position, to - position),
  })
  return [part(position, lost[0]), part(lost[1], end)].filter((each) => each.bytes.length > 0)
}
