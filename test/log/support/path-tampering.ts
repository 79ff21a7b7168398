import { join } from 'node:path'
import { logFolderOf } from '../../../src/log/format'
import type { RegisteredCommit } from './commit-registry'
import type { Device } from './device'
import type { FileTools } from './file-tools'
import type { SimulatedPath } from './simulated-path'

/** A plain copy of which one half is made, and the other not yet. */
export interface HalfCopy {
  readonly from: SimulatedPath
  readonly to: SimulatedPath
  readonly isFileFirst: boolean
  /** What was promised of the original when the copy was begun. */
  readonly floors: readonly RegisteredCommit[]
  /** The copy opens at that where the original had no more checkpoints when it was ended, and the same files. */
  readonly mostCheckpoints: number
  readonly generation: number
  readonly generationOfCopy: number
}

/** What somebody does to files who does not know what belongs together. */
export class PathTampering {
  constructor(
    private readonly device: Device,
    private readonly tools: FileTools,
    private readonly random: () => number,
  ) {}

  /** Copies a file alone. It opens, as a checkpoint left it. */
  copyFile(from: SimulatedPath, to: SimulatedPath): boolean {
    if (!this.tools.files.exists(from.in(this.device))) return false
    this.tools.copyFile(from.in(this.device), to.in(this.device))
    to.wasTampered(true)
    return true
  }

  copyLog(from: SimulatedPath, to: SimulatedPath): boolean {
    const { tools, device } = this
    if (!tools.hasLog(from.in(device))) return false
    tools.copyLog(from.in(device), to.in(device), this.random() < 0.7)
    to.wasTampered(true)
    return true
  }

  beginCopy(from: SimulatedPath, to: SimulatedPath): HalfCopy {
    const isFileFirst = this.random() < 0.6
    if (isFileFirst) this.copyFile(from, to)
    else this.copyLog(from, to)
    to.wasTampered(true)
    const { floors, generation, writer } = from
    const isQuiet = writer === undefined || writer.isIdle
    const mostCheckpoints = from.checkpoints + (isFileFirst ? 1 : 0) - (isQuiet ? 0 : 1)
    return { from, to, isFileFirst, floors, mostCheckpoints, generation, generationOfCopy: to.generation }
  }

  endCopy(copy: HalfCopy): void {
    const { from, to, isFileFirst, floors } = copy
    const wasOpened = !to.isTampered
    const isWhole = !wasOpened && isPromised(copy)
    if (isFileFirst) this.copyLog(from, to)
    else this.copyFile(from, to)
    if (!to.isTampered)
      to.wasTampered(false) // it was opened for writing meanwhile
    else if (isWhole) {
      to.wasReplaced(floors)
      to.isMixed = from.isMixed
    }
  }

  /** Puts the file, or the log, of one path in the place of that of another, which nobody writes. */
  mix(from: SimulatedPath, to: SimulatedPath): boolean {
    const { device, tools, random } = this
    const luck = random()
    if (luck < 0.4) {
      if (!this.copyFile(from, to)) return false
    } else if (luck < 0.7) {
      if (!tools.hasLog(from.in(device))) return false
      tools.removeFolder(logFolderOf(to.in(device)))
      tools.copyLog(from.in(device), to.in(device), random() < 0.7)
    } else if (luck < 0.85) {
      if (!this.copyLog(from, to)) return false // over the segments that are there
    } else {
      if (!tools.hasLog(to.in(device))) return false
      tools.removeFolder(logFolderOf(to.in(device)))
    }
    to.wasTampered(false)
    return true
  }

  /** Puts a log that was moved away back, or moves it away. */
  moveLog(path: SimulatedPath): boolean {
    const { device, tools } = this
    const folder = logFolderOf(path.in(device))
    const away = `${path.in(device)}.away`
    if (tools.files.exists(away)) {
      tools.removeFolder(folder)
      tools.rename(away, folder)
    } else if (tools.hasLog(path.in(device))) tools.rename(folder, away)
    else return false
    path.wasTampered(false)
    return true
  }

  /** Takes files from a writer that is about to commit. The lock files alone leave the database whole. */
  rob(path: SimulatedPath, from: SimulatedPath): boolean {
    const { device, tools, random } = this
    const file = path.in(device)
    const luck = random()
    if (luck < 0.4) {
      tools.removeLocks(file)
      return true
    }
    const isFile = luck < 0.7
    const target = isFile ? file : tools.newestSegment(file)
    if (target === undefined || path.writer?.process.files.openFiles.includes(target) !== true) return false
    if (!tools.files.exists(target)) return false // taken already
    const kind = random()
    if (kind < 0.35) tools.remove(target)
    else if (kind < 0.6) tools.rename(target, `${target}.away`)
    else if (kind < 0.8 && !isFile) {
      tools.removeFolder(`${file}.away`)
      tools.rename(logFolderOf(file), `${file}.away`)
    } else {
      const other = isFile ? from.in(device) : tools.newestSegment(from.in(device))
      if (other === undefined || !tools.files.exists(other)) return false
      tools.copyFile(other, target)
    }
    path.wasTampered(false)
    return true
  }
}

/** Whether a plain copy opens, as `docs/durability.md` says. */
function isPromised({ from, to, mostCheckpoints, generation, generationOfCopy }: HalfCopy): boolean {
  if (from.isTampered || from.hasGaps) return false
  if (from.generation !== generation || to.generation !== generationOfCopy) return false
  return from.checkpoints <= mostCheckpoints
}

/** The path of a backup in a folder. */
export function pathIn(folder: string, path: SimulatedPath): string {
  return join(folder, path.name.slice(path.name.lastIndexOf('/') + 1))
}
