import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** What was measured, by name with its unit: `nsPerOp`, `perSecond`, `p99Ms` … */
export type Figures = Readonly<Record<string, number>>

/**
 * What one contender achieved: of each figure the median over the rounds, and with `min` and `max` before its name the
 * range.
 */
export type Result = Figures

export interface TaskReport {
  task: string
  node: string
  rows: number
  contenders: Record<string, Result>
  /** How a contender was set up, where that needs saying. */
  settings?: Record<string, string>
  /** Why a contender was not measured. */
  leftOut?: Record<string, string>
}

/** Does `operations` of its operations and returns something that depends on all of them. */
export type Operation = (operations: number) => number | Promise<number>

/** What is known of a contender before it is measured. */
export interface Entrant {
  /** How it is set up, as its own documentation advises, and what of the task it does not do. */
  readonly settings?: string | undefined
  /** Why it cannot be measured here. */
  readonly leftOut?: string | undefined
  /** Processes that it is measured in, where one takes a minute: fewer than the others'. */
  readonly rounds?: number
  /**
   * Starts what all its processes use, a server that ends with this process. Returns JSON that each process gets.
   */
  share?(): Promise<unknown>
}

/** One that does the same operations as the others of a race. */
export interface Runner extends Entrant {
  /** Operations in one round: fewer for the slow, so that a round of each takes about as long. */
  readonly operations: number
  /** Makes what its operations need. */
  prepare(shared: unknown): Operation | Promise<Operation>
}

/** One that measures itself. */
export interface Trial extends Entrant {
  measure(shared: unknown): Promise<Sample>
}

interface InRounds {
  /** Rows where nobody says how many. */
  readonly rows: number
  /** Processes that each contender is measured in, in turn with the others. Default 3. */
  readonly rounds?: number
}

/**
 * A task whose contenders do the same operations on the same rows, each in processes of its own, which hold nothing
 * else.
 */
export interface Race extends InRounds {
  /** How many operations each does to show that it gives the same answer as the others. */
  readonly operationsToAgree: number
  /** By name. Called in every process: what takes time or memory is for `prepare`. */
  runners(rows: number): Record<string, Runner>
}

/** A task whose contenders measure themselves, each in processes of its own. */
export interface Apart extends InRounds {
  /** By name. Called in every process: what takes time or memory is for `measure`. */
  contenders(rows: number): Record<string, Trial>
}

/** A task whose contenders need each other: all of them in one process, and a new one for each round. */
export interface Together extends InRounds {
  measure(rows: number): Promise<Record<string, Figures>>
}

export type Task = Race | Apart | Together

/** What one process measured. */
export interface Sample {
  /** The same for all who did the same; without one where there is nothing to compare. */
  readonly answer?: number
  readonly figures: Figures
}

const ROUNDS_IN_PROCESS = 5
const ROUNDS_BEFORE = 2
/** Whoever needs longer than this for a round has fewer of them. */
const LONG_ROUND_MS = 2000

/** Answers and times one contender of a race, in this process. */
export async function measure(runner: Runner, operationsToAgree: number, shared: unknown): Promise<Sample> {
  const run = await runner.prepare(shared)
  const answer = await run(operationsToAgree)
  return { answer, figures: { nsPerOp: await nsPerOperation(run, runner.operations) } }
}

/**
 * The median of some rounds, in nanoseconds for each operation, after two that are not counted; of long rounds one
 * each.
 */
export async function nsPerOperation(run: Operation, operations: number): Promise<number> {
  const samples: number[] = []
  for (let round = -ROUNDS_BEFORE; round < ROUNDS_IN_PROCESS; round++) {
    const start = performance.now()
    const result = run(operations)
    if (result instanceof Promise) await result
    const tookMs = performance.now() - start
    if (round >= 0) samples.push((tookMs * 1e6) / operations)
    if (tookMs > LONG_ROUND_MS) round = round < 0 ? -1 : ROUNDS_IN_PROCESS
  }
  return median(samples)
}

/** Of each figure the median of what several processes measured, and its range where they differ. */
export function resultOf(samples: readonly Figures[]): Result {
  const result: Record<string, number> = {}
  for (const figure of Object.keys(samples[0])) {
    const values = samples.map((each) => each[figure])
    const [min, max] = [Math.min(...values), Math.max(...values)].map(round3)
    result[figure] = round3(median(values))
    if (min === max) continue
    const name = figure[0].toUpperCase() + figure.slice(1)
    result[`min${name}`] = min
    result[`max${name}`] = max
  }
  return result
}

/** The figures of a result in their order, each with its range where it has one. */
export function* figuresOf(result: Result): Generator<{ figure: string; value: number; min?: number; max?: number }> {
  for (const [figure, value] of Object.entries(result)) {
    const name = figure[0].toUpperCase() + figure.slice(1)
    if (`min${name}` in result) yield { figure, value, min: result[`min${name}`], max: result[`max${name}`] }
    else if (!/^(min|max)[A-Z]/.test(figure)) yield { figure, value }
  }
}

/** Throws unless all answers, by who gave them, are the same number but for rounding. */
export function ensureAlike(answers: ReadonlyMap<string, number>): void {
  const [first] = answers
  for (const [name, answer] of answers) {
    if (Math.abs(answer - first[1]) > Math.abs(first[1]) * 1e-9) {
      throw new Error(`${name} answers ${answer} where ${first[0]} answers ${first[1]}: nothing to compare.`)
    }
  }
}

/** Why a contender is left out where there are too many rows for it, if there are. */
export function beyond(rows: number, limit: number, reason: string): string | undefined {
  return rows > limit ? `beyond ${limit.toLocaleString('en')} rows ${reason}` : undefined
}

/** Calls a function once, however often it is asked for. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

function round3(value: number): number {
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
  const width = Math.max(0, ...Object.keys(report.contenders).map((name) => name.length))
  const plain = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 })
  for (const [name, result] of Object.entries(report.contenders)) {
    const figures = [...figuresOf(result)].map(({ figure, value, min, max }) =>
      min === undefined ? `${plain(value)} ${figure}` : `${plain(value)} (${plain(min)}–${plain(max!)}) ${figure}`,
    )
    lines.push(`  ${name.padEnd(width)}  ${figures.join('   ')}`)
  }
  for (const note of notesOf(report)) lines.push(`  ${note}`)
  return lines.join('\n')
}

/** What is said below a table: how contenders were set up, and who was left out. */
export function notesOf({ settings = {}, leftOut = {} }: TaskReport): string[] {
  const notes = Object.entries(settings).map(([name, text]) => `${name}: ${text}.`)
  return [...notes, ...Object.entries(leftOut).map(([name, reason]) => `Left out: ${name}, ${reason}.`)]
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
