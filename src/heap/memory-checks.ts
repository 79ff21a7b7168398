import { inspect, types } from 'node:util'
import { SnapheapError } from '../errors'
import { isError } from '../kinds'
import { BLOCK_BYTES, WINDOW_MASK } from './layout'
import type { MemoryAdvice } from './memory'

/** Offsets and sizes of windows are multiples of this, also on machines with another page size. */
export const PAGE_BYTES = 4096

/** Every advice; the addon knows them by their index here. */
export const ADVICE: readonly MemoryAdvice[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed']

/** More blocks have no numbers within a window. */
const MOST_WINDOW_BYTES = (WINDOW_MASK + 1) * BLOCK_BYTES
const MAX_UINT32 = 0xffff_ffff
const MAX_FD = 0x7fff_ffff

/** What an ArrayBuffer is to the memory that handed it out. */
export type WindowKind = 'file' | 'anonymous'

/** The windows that one memory has handed out: how its own are told from foreign buffers, and from those given back. */
export class WindowRegister {
  private readonly kinds = new WeakMap<ArrayBuffer, WindowKind | 'released'>()

  add(window: ArrayBuffer, kind: WindowKind): ArrayBuffer {
    this.kinds.set(window, kind)
    return window
  }

  release(window: ArrayBuffer): void {
    this.kinds.set(window, 'released')
  }

  /** The kind of a live window. Throws `CLOSED` for one given back, `INVALID_ARGUMENT` for anything else. */
  kindOf(window: ArrayBuffer): WindowKind {
    const kind = this.find(window)
    if (kind === undefined) throw invalid('window', window, 'a window of this memory (from mapFile or allocate)')
    return kind
  }

  /** Like `kindOf`, but undefined for a buffer of another owner. */
  find(window: ArrayBuffer): WindowKind | undefined {
    if (!types.isArrayBuffer(window)) throw invalid('window', window, 'an ArrayBuffer')
    const kind = this.kinds.get(window)
    if (kind === undefined) return undefined
    if (kind === 'released' || window.byteLength === 0) throw closed()
    return kind
  }
}

export function checkMapping(fd: number, offsetBytes: number, sizeBytes: number): void {
  checkInteger('fd', fd, MAX_FD)
  checkInteger('offsetBytes', offsetBytes, Number.MAX_SAFE_INTEGER)
  if (offsetBytes % PAGE_BYTES !== 0) throw invalid('offsetBytes', offsetBytes, `a multiple of ${PAGE_BYTES}`)
  checkWindowSize(sizeBytes)
}

export function checkWindowSize(sizeBytes: number): void {
  checkInteger('sizeBytes', sizeBytes, MOST_WINDOW_BYTES)
  if (sizeBytes === 0 || sizeBytes % PAGE_BYTES !== 0) {
    throw invalid('sizeBytes', sizeBytes, `a positive multiple of ${PAGE_BYTES}`)
  }
}

/** Throws `INVALID_ARGUMENT` unless the range lies inside the buffer. */
export function checkRange(buffer: ArrayBuffer, offsetBytes: number, sizeBytes: number): void {
  checkInteger('offsetBytes', offsetBytes, buffer.byteLength)
  checkInteger('sizeBytes', sizeBytes, buffer.byteLength - offsetBytes)
}

export function checkAdvice(advice: MemoryAdvice): void {
  if (!ADVICE.includes(advice)) throw invalid('advice', advice, `one of ${ADVICE.join(', ')}`)
}

/** Checks a refresh: the window must be one of a file, and the range inside it. */
export function checkRefresh(
  windows: WindowRegister,
  window: ArrayBuffer,
  fd: number,
  fileOffsetBytes: number,
  offsetBytes: number,
  sizeBytes: number,
): void {
  if (windows.kindOf(window) !== 'file') throw invalid('window', window, 'a window of a file')
  checkInteger('fd', fd, MAX_FD)
  checkRange(window, offsetBytes, sizeBytes)
  checkInteger('fileOffsetBytes', fileOffsetBytes, Number.MAX_SAFE_INTEGER)
  if (fileOffsetBytes < offsetBytes) throw invalid('fileOffsetBytes', fileOffsetBytes, 'not less than offsetBytes')
}

/** Checks a copy: both ranges inside live buffers, and no file window as the target. */
export function checkCopy(
  windows: WindowRegister,
  target: ArrayBuffer,
  targetOffsetBytes: number,
  source: ArrayBuffer,
  sourceOffsetBytes: number,
  sizeBytes: number,
): void {
  if (windows.find(target) === 'file') throw invalid('target', target, 'writable (a window of a file is read-only)')
  windows.find(source)
  checkRange(target, targetOffsetBytes, sizeBytes)
  checkRange(source, sourceOffsetBytes, sizeBytes)
}

export function checkChecksum(bytes: Uint8Array, seed: number): void {
  checkBytes(bytes)
  checkInteger('seed', seed, MAX_UINT32)
}

export function checkDescriptor(fd: number): void {
  checkInteger('fd', fd, MAX_FD)
}

export function checkWrite(fd: number, buffers: readonly Uint8Array[], position: number): void {
  checkDescriptor(fd)
  if (!Array.isArray(buffers)) throw invalid('buffers', buffers, 'an array')
  for (const each of buffers) checkBytes(each)
  checkInteger('position', position, Number.MAX_SAFE_INTEGER)
}

export function checkPath(path: string): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid('path', path, 'a file name: not empty and without zero bytes')
  }
}

/** The typed error for what may be read here but not written, undefined where the cause is another. */
export function readOnlyError(path: string, cause: unknown): SnapheapError | undefined {
  const systemCode = (cause as NodeJS.ErrnoException).code
  if (systemCode !== 'EACCES' && systemCode !== 'EROFS' && systemCode !== 'EPERM') return undefined
  return new SnapheapError(
    'READ_ONLY',
    `${path} cannot be opened for writing (${systemCode}): this process may not write here. Open the database ` +
      'with { readOnly: true } or { follow: true }, or make file and folder writable for it.',
    { path, systemCode },
    cause,
  )
}

/** The operating system refused `action`; `cause` says why. */
export function systemError(action: string, cause: unknown): SnapheapError {
  const reason = isError(cause) ? cause.message : String(cause)
  return new SnapheapError(
    'IO',
    `Cannot ${action}: ${reason}. Check the file, its permissions and free memory.`,
    {},
    cause,
  )
}

function checkBytes(bytes: Uint8Array): void {
  if (!types.isUint8Array(bytes)) throw invalid('bytes', bytes, 'a Uint8Array')
  if (bytes.byteLength === 0 && isDetached(bytes.buffer)) throw closed()
}

function checkInteger(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) throw invalid(name, value, `an integer from 0 to ${max}`)
}

/** `ArrayBuffer.prototype.detached` is missing on Node 20; a new view on a detached buffer throws everywhere. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function invalid(name: string, value: unknown, expected: string): SnapheapError {
  const shown = types.isArrayBuffer(value)
    ? `ArrayBuffer(${value.byteLength})`
    : inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 80, maxArrayLength: 3 })
  return new SnapheapError('INVALID_ARGUMENT', `${name} must be ${expected}, not ${shown}. Pass such a value.`, {
    name,
  })
}

function closed(): SnapheapError {
  return new SnapheapError('CLOSED', 'This memory window was given back. Reopen the database or snapshot.')
}
