import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** What one contender achieved: the median over the rounds. */
export interface Result {
  nsPerOp?: number
  perSecond?: number
  p50Ms?: number
  p99Ms?: number
  [detail: string]: number | undefined
}

export interface TaskReport {
  task: string
  node: string
  rows: number
  contenders: Record<string, Result>
}

/** Does `operations` of its operations and returns something that depends on all of them. */
export type Operation = (operations: number) => number | Promise<number>

export interface Contender {
  readonly name: string
  /** Operations in one round: fewer for the slow, so that a round of each takes about as long. */
  readonly operations: number
  readonly run: Operation
}

/** One of those that are compared each in a process of its own, which holds nothing else. */
export interface Runner {
  readonly operations: number
  /** Makes what its operations need. */
  prepare(): Operation | Promise<Operation>
}

/** A task whose contenders do the same operations on the same rows, each in a process of its own. */
export interface Race {
  /** Rows where nobody says how many. */
  readonly rows: number
  /** How many operations each does to show that it gives the same answer as the others. */
  readonly operationsToAgree: number
  /** What all processes share, told to them as JSON: the connection of a server that ends with this process. */
  share?(rows: number): Promise<unknown>
  /** By name. Called in every process: what takes time or memory is for `prepare`. */
  runners(rows: number, shared: unknown): Record<string, Runner>
}

/** A task whose contenders are each measured once, in a process of its own: for memory, and for what takes long. */
export interface Apart {
  readonly rows: number
  /** By name: measures that contender. */
  contenders(rows: number): Record<string, () => Promise<Result>>
}

/** What one process measured. */
export interface Sample {
  readonly answer: number
  readonly nsPerOp: number
}

const ROUNDS_IN_PROCESS = 5

/** Answers and times one contender, in this process: the median of some rounds after two that are not counted. */
export async function measure(runner: Runner, operationsToAgree: number): Promise<Sample> {
  const run = await runner.prepare()
  const answer = await run(operationsToAgree)
  const samples: number[] = []
  for (let round = -2; round < ROUNDS_IN_PROCESS; round++) {
    const start = performance.now()
    const result = run(runner.operations)
    if (result instanceof Promise) await result
    if (round >= 0) samples.push(((performance.now() - start) * 1e6) / runner.operations)
  }
  return { answer, nsPerOp: median(samples) }
}

/** Median, smallest and largest of what several processes of each contender measured. */
export function resultsOf(samples: ReadonlyMap<string, readonly Sample[]>): Record<string, Result> {
  const results: Record<string, Result> = {}
  for (const [name, each] of samples) {
    const ns = each.map(({ nsPerOp }) => nsPerOp)
    results[name] = {
      nsPerOp: round3(median(ns)),
      minNsPerOp: round3(Math.min(...ns)),
      maxNsPerOp: round3(Math.max(...ns)),
    }
  }
  return results
}

/**
 * Times contenders in turn in this process, round after round, so that a machine that slows down slows all of them; the first
 * round is not counted. Returns the median nanoseconds per operation of each.
 */
export async function race(contenders: readonly Contender[], rounds = 7): Promise<Record<string, Result>> {
  const samples = new Map<string, number[]>(contenders.map((each) => [each.name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const { name, operations, run } of contenders) {
      const start = performance.now()
      const result = run(operations)
      if (result instanceof Promise) await result
      const ns = ((performance.now() - start) * 1e6) / operations
      if (round > 0) samples.get(name)!.push(ns)
    }
  }
  return Object.fromEntries([...samples].map(([name, each]) => [name, { nsPerOp: round3(median(each)) }]))
}

/** Throws unless every contender gives the same answer to the same question. */
export async function agree(contenders: readonly Contender[], operations: number): Promise<void> {
  const answers = new Map<string, number>()
  for (const { name, run } of contenders) answers.set(name, await run(operations))
  ensureAlike(answers)
}

/** Throws unless all answers, by who gave them, are the same number but for rounding. */
export function ensureAlike(answers: ReadonlyMap<string, number>): void {
  const [[firstName, first]] = answers
  for (const [name, answer] of answers) {
    if (Math.abs(answer - first) > Math.abs(first) * 1e-9) {
      throw new Error(`${name} answers ${answer} where ${firstName} answers ${first}: nothing to compare.`)
    }
  }
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function round3(value: number): number {
  return Number(value.toPrecision(3))
}

/** The same pseudo-random numbers in every run (xorshift32, G. Marsaglia, 2003). */
export function randomIntegers(count: number, below: number, seed = 0x9e3779b9): Uint32Array {
  const numbers = new Uint32Array(count)
  let state = seed | 0
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    numbers[i] = (state >>> 0) % below
  }
  return numbers
}

/** What the figures were measured on. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const memory = /MemTotal:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1]
  return `${cpus().length} × ${model.trim()}${memory === undefined ? '' : `, ${Math.round(Number(memory) / 1048576)} GB`}, ${process.platform} ${process.arch}`
}

/** A report as a table for people. */
export function formatReport(report: TaskReport): string {
  const lines = [`${report.task}: ${report.rows.toLocaleString('en')} rows, Node ${report.node}, ${machine()}`]
  const width = Math.max(...Object.keys(report.contenders).map((name) => name.length))
  for (const [name, result] of Object.entries(report.contenders)) {
    const figures = Object.entries(result).map(
      ([what, value]) => `${value?.toLocaleString('en', { maximumSignificantDigits: 3 })} ${what}`,
    )
    lines.push(`  ${name.padEnd(width)}  ${figures.join('   ')}`)
  }
  return lines.join('\n')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
