import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DURABLE_MARK_NAME, isBaseName, isSegmentName, logFolderOf } from '../../../src/log/format'
import { type Device, nameOf } from './device'
import { FaultyFiles } from './faulty-files'

/** What somebody does to the files of databases with plain tools. All of it is on the device when it returns. */
export class FileTools {
  readonly files: FaultyFiles

  constructor(
    private readonly device: Device,
    random: () => number,
  ) {
    this.files = new FaultyFiles(device, random)
  }

  /** Copies one file, over another by a rename. */
  copyFile(from: string, to: string): void {
    const bytes = readFileSync(from)
    const temporary = `${to}.copying`
    const fd = this.files.open(temporary, 'wx+')
    this.files.write(fd, bytes, 0)
    this.files.sync(fd)
    this.files.close(fd)
    this.files.rename(temporary, to)
    this.sync(dirname(to))
  }

  /** Copies what belongs to a log; `isWhole` with the mark and the files kept for points in time. */
  copyLog(from: string, to: string, isWhole: boolean): void {
    const [source, target] = [logFolderOf(from), logFolderOf(to)]
    this.files.makeFolder(target)
    for (const name of this.files.list(source))
      if (isSegmentName(name) || (isWhole && (isBaseName(name) || name === DURABLE_MARK_NAME)))
        this.copyFile(join(source, name), join(target, name))
    this.sync(dirname(target))
  }

  /** The newest segment of a log. */
  newestSegment(path: string): string | undefined {
    const name = this.files.list(logFolderOf(path)).filter(isSegmentName).at(-1)
    return name === undefined ? undefined : join(logFolderOf(path), name)
  }

  hasLog(path: string): boolean {
    return this.newestSegment(path) !== undefined
  }

  rename(from: string, to: string): void {
    this.files.rename(from, to)
    this.sync(dirname(from))
  }

  remove(path: string): void {
    this.files.remove(path)
    this.sync(dirname(path))
  }

  /** Removes the lock files of a path: they are not on the device. */
  removeLocks(path: string): void {
    for (const name of readdirSync(dirname(path)))
      if (name.startsWith(`${basename(path)}.lock`)) rmSync(join(dirname(path), name))
  }

  /** Removes a folder with all that is in it. */
  removeFolder(folder: string): void {
    if (!this.files.exists(folder)) return
    rmSync(folder, { recursive: true })
    this.device.parentOf(folder).remove(nameOf(folder))
    this.sync(dirname(folder))
  }

  /** Removes everything that a path is. */
  removeDatabase(path: string): void {
    if (this.files.exists(path)) this.remove(path)
    this.removeFolder(logFolderOf(path))
    this.removeLocks(path)
  }

  private sync(folder: string): void {
    this.device.folderAt(folder).sync()
  }
}
