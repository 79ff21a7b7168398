import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { isError } from '../kinds'
import type { Kernels } from './kernels'

/** What `native/addon.cc` exports. Every function checks its arguments again and throws TypeError or RangeError. */
export interface Addon extends Kernels {
  mapFile(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer
  allocate(sizeBytes: number): ArrayBuffer
  unmap(window: ArrayBuffer): void
  advise(window: ArrayBuffer, offsetBytes: number, sizeBytes: number, advice: number): void
  incore(window: ArrayBuffer, offsetBytes: number, sizeBytes: number): { residentPages: number; pages: number }
  sync(window: ArrayBuffer, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void
  crc32c(bytes: Uint8Array, seed: number): number
  copy(
    target: ArrayBuffer,
    targetOffsetBytes: number,
    source: ArrayBuffer,
    sourceOffsetBytes: number,
    sizeBytes: number,
  ): void
  lockFile(fd: number): boolean
  /** Not on Windows. */
  nameFile?(path: string, fd: number): object
  /** Of what `nameFile` has returned. */
  isFileInPlace?(name: object, sizeBytes: number): boolean
  /** Rejects with an error whose `code` is the system's number. Not on Windows. */
  writeBeside?(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void>
  syncFolder(path: string): void
}

/** Why the addon is not used, and what can be done. */
interface Obstacle {
  readonly reason: string
  readonly remedy: string
}

/** The addon, or undefined after a warning that says why not. */
export function loadAddon(): Addon | undefined {
  const found = findAddon()
  if (!('reason' in found)) return found
  warnOnce(found)
  return undefined
}

function findAddon(): Addon | Obstacle {
  if (endianness() !== 'LE') return { reason: 'this processor is big-endian', remedy: SEE_PLATFORMS }
  if (process.versions.electron !== undefined) {
    return { reason: 'Electron does not allow JavaScript to use memory outside its heap', remedy: SEE_PLATFORMS }
  }
  const root = packageRoot()
  if (root === undefined) {
    return {
      reason: 'snapheap is bundled into another file, away from its binaries',
      remedy: 'Mark the package snapheap as external in the options of the bundler.',
    }
  }
  const platform = platformName()
  const binary = join(root, 'native', 'prebuilds', platform, 'snapheap.node')
  if (!existsSync(binary)) return { reason: `there is no binary for ${platform} (${binary})`, remedy: SEE_PLATFORMS }
  try {
    const addon: Addon = createRequire(join(root, 'package.json'))(binary)
    addon.allocate(4096) // throws in an engine without external buffers; collected like any other buffer
    return addon
  } catch (error) {
    return {
      reason: `${binary} does not load: ${reasonOf(error)}`,
      remedy: `Install the package again. ${SEE_PLATFORMS}`,
    }
  }
}

const SEE_PLATFORMS = 'The page docs/operate/platforms.md of the package lists the systems that its binaries support.'

const WARNED = 'snapheap: the addon is not used'

/** Once in a process: a worker thread gets the data of the thread that starts it. */
function warnOnce({ reason, remedy }: Obstacle): void {
  if (getEnvironmentData(WARNED) !== undefined) return
  setEnvironmentData(WARNED, true)
  process.emitWarning(
    `snapheap runs without its native addon, because ${reason}. A database file is read into memory as a whole, and ` +
      `bulk operations are slower. ${remedy} The option memory: plainMemory() suppresses this warning.`,
    { type: 'SnapheapWarning', code: 'SNAPHEAP_PLAIN_MEMORY' },
  )
}

function reasonOf(error: unknown): string {
  return isError(error) ? error.message : String(error)
}

/**
 * The name of the folder that holds the binary for this process. One for glibc does not load under musl, nor the other
 * way round.
 */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`
}

/** Whether the dynamic linker of this process is that of musl: it stays mapped, and its name is the same everywhere. */
function isMusl(): boolean {
  const mappings = '/proc/self/maps'
  return process.platform === 'linux' && existsSync(mappings) && readFileSync(mappings).includes('/ld-musl-')
}

/**
 * The folder of this package, upwards from this module, which runs from `src/` as well as from a bundle in `dist/`.
 * When it was bundled into another program, the package is looked for as that program would import it.
 */
function packageRoot(): string | undefined {
  const isFile = import.meta.url?.startsWith('file:') === true
  const start = isFile ? fileURLToPath(import.meta.url) : process.argv[1] // bundled as CommonJS
  if (start === undefined) return undefined
  for (let folder = dirname(start); ; folder = dirname(folder)) {
    for (const each of [folder, join(folder, 'node_modules', 'snapheap')])
      if (nameOfPackage(join(each, 'package.json')) === 'snapheap') return each
    if (folder === dirname(folder)) return undefined
  }
}

function nameOfPackage(manifest: string): string | undefined {
  try {
    return JSON.parse(readFileSync(manifest, 'utf8')).name
  } catch {
    return undefined
  }
}
