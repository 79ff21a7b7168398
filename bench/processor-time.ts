import { readdirSync, readFileSync } from 'node:fs'

/** A clock tick of `/proc/PID/stat`: `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const TICK_MS = 10
/** Fields of `/proc/PID/stat` after the name in parentheses, from its third on (proc(5)). */
const FIELD = { parent: 1, user: 11, cutime: 13 }

interface ProcessTimes {
  readonly parent: number
  readonly ownMs: number
  readonly endedMs: number
}

/** Processor time, in milliseconds, of a process and of all that it has started, ended ones included. Linux only. */
export function processorTimeMs(root: number): number {
  const all = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        const times = timesOf(name)
        return times === undefined ? [] : [[Number(name), times] as const]
      }),
  )
  let sumMs = 0
  const queue = [root]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const times = all.get(pid)
    if (times !== undefined) sumMs += times.ownMs + times.endedMs
    for (const [child, { parent }] of all) if (parent === pid) queue.push(child)
  }
  return sumMs
}

/** The process that has started another. Linux only. */
export function parentOf(pid: number): number {
  const times = timesOf(String(pid))
  if (times === undefined) throw new Error(`There is no process ${pid}.`)
  return times.parent
}

/** Undefined for a process that has ended meanwhile. */
function timesOf(pid: string): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = (field: number): number => Number(fields[field]) + Number(fields[field + 1])
    return {
      parent: Number(fields[FIELD.parent]),
      ownMs: ticks(FIELD.user) * TICK_MS,
      endedMs: ticks(FIELD.cutime) * TICK_MS,
    }
  } catch {
    return undefined
  }
}
