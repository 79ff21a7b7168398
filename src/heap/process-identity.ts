import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** What tells one process from every other, also from one that has its pid in another container, or had it before. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started: on Linux in the clock ticks of /proc, elsewhere in milliseconds of the monotonic clock. */
  readonly started: number
  /** The boot of the kernel; '' where it has no name. */
  readonly boot: string
  /** The namespaces in which `pid` and `started` are meant; '' where there are none. */
  readonly namespaces: string
  readonly host: string
}

const IS_LINUX = process.platform === 'linux'
/** Two starts of one process, as computed by two of its threads from clocks, differ by less than this. */
const START_TOLERANCE = IS_LINUX ? 0 : 2000
/** An identity is written with this length always: writing it again needs no more space on the device. */
const TEXT_BYTES = 512
const LONGEST_HOST = 100

let own: ProcessIdentity | undefined

export function ownIdentity(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    started: (IS_LINUX ? startOf('self') : undefined) ?? startedMs(),
    boot: readText('/proc/sys/kernel/random/boot_id'),
    namespaces: [readLink('/proc/self/ns/pid'), readLink('/proc/self/ns/time')].join(' ').trim(),
    host: hostname().slice(0, LONGEST_HOST),
  }
  return own
}

export function encodeIdentity(identity: ProcessIdentity): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(identity)}\n`), blankText()]).subarray(0, TEXT_BYTES)
}

/** The text of a lock file without a holder. */
export function blankText(): Buffer {
  return Buffer.alloc(TEXT_BYTES, ' ')
}

/** The identity in a text; `nobody` for a blank one, undefined for one that says something else. */
export function parseIdentity(text: string): ProcessIdentity | 'nobody' | undefined {
  const written = text.replaceAll('\0', '').trim()
  if (written === '') return 'nobody'
  try {
    const { pid, started, boot, namespaces, host } = JSON.parse(written)
    const isWhole =
      Number.isSafeInteger(pid) &&
      pid > 0 &&
      typeof started === 'number' &&
      [boot, namespaces, host].every((each) => typeof each === 'string')
    return isWhole ? { pid, started, boot, namespaces, host } : undefined
  } catch {
    return undefined
  }
}

/** Whether a process runs, as far as that can be proven from here. */
export function stateOf(other: ProcessIdentity): 'running' | 'ended' | 'unknown' {
  const self = ownIdentity()
  if (IS_LINUX && (self.boot === '' || self.namespaces === '')) return 'unknown' // without /proc nothing can be proven
  const isOfHost = other.host === self.host
  if (other.boot !== self.boot) return isOfHost && other.boot !== '' ? 'ended' : 'unknown' // the host was started again
  if (other.namespaces !== self.namespaces || (self.boot === '' && !isOfHost)) return 'unknown'
  if (other.pid === self.pid) return Math.abs(other.started - self.started) > START_TOLERANCE ? 'ended' : 'running'
  if (!isRunning(other.pid)) return 'ended'
  const started = startOf(other.pid)
  if (started === undefined) return 'unknown' // another process may have got its pid
  return started === other.started ? 'running' : 'ended'
}

/** Where a process is, seen from here: nothing for one whose pid means the same here. */
export function placeOf(other: ProcessIdentity): string {
  const self = ownIdentity()
  if (other.host !== self.host) return ` of host ${other.host}`
  return other.boot === self.boot && other.namespaces !== self.namespaces ? ' of another container' : ''
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Clock ticks from the start of the machine to that of a process, undefined where /proc does not tell. */
function startOf(pid: number | 'self'): number | undefined {
  if (pid !== 'self' && !isOwnProc()) return undefined
  const text = readText(`/proc/${pid}/stat`)
  // the second field, a name in parentheses, may hold spaces and parentheses; the start is the 22nd
  const started = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  return text !== '' && Number.isFinite(started) ? started : undefined
}

/** Whether /proc numbers processes as this process does: it may be that of another pid namespace. */
function isOwnProc(): boolean {
  return /^NSpid:\t\d+$/m.test(readText('/proc/self/status'))
}

/**
 * When this process started, on the machine's monotonic clock: the same in each of its threads, also when the time of
 * day is changed.
 */
function startedMs(): number {
  return Math.round(Number(process.hrtime.bigint() / 1_000_000n) - process.uptime() * 1000)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
