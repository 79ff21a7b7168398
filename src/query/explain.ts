import type { SlotValues } from './operand'
import type { Pipeline } from './pipeline'
import type { RowStage } from './row-stage'

export interface ExplainOptions {
  /** Also runs the query and tells what was found and how long it took. Default false. */
  readonly run?: boolean
}

/** One step of a query as it is answered. */
export interface ExplainedStep {
  readonly step: string
  /** The ways of finding rows there are for this step; a run takes the one that its values make the cheapest. */
  readonly access?: string
  /** About how many rows it finds. */
  readonly estimatedRows?: number
  readonly orderedBy?: readonly string[]
  /** With `run`: what rows were found by, how many were looked at and how many it gave. */
  readonly chosen?: string
  readonly examinedRows?: number
  readonly givenRows?: number
  /** With `run`. */
  readonly elapsedMs?: number
  /** The code that checks rows, where it was compiled. */
  readonly code?: string
  /** The steps of each plan within this one. */
  readonly parts?: readonly (readonly ExplainedStep[])[]
}

/** How a query is answered, as data and, by `toString`, as a tree. */
export class Explanation {
  constructor(
    readonly steps: readonly ExplainedStep[],
    /** With `run`: the results, and the time of it all. */
    readonly results?: number,
    readonly elapsedMs?: number,
  ) {}

  toString(): string {
    const lines = linesOf(this.steps, '')
    if (this.results !== undefined) lines.push(`${this.results} results in ${this.elapsedMs!.toFixed(3)} ms`)
    return lines.join('\n')
  }
}

function linesOf(steps: readonly ExplainedStep[], margin: string, number = ''): string[] {
  return steps.flatMap((step, i) => {
    const left = margin + '  '.repeat(i)
    const parts = (step.parts ?? []).flatMap((part, k) => linesOf(part, `${left}    `, `${k + 1}: `))
    return [`${left}${i === 0 ? number : '└ '}${lineOf(step)}`, ...parts]
  })
}

function lineOf(step: ExplainedStep): string {
  const parts = [step.step]
  if (step.access !== undefined) parts.push(`by ${step.chosen ?? step.access}`)
  if (step.estimatedRows !== undefined) parts.push(`about ${step.estimatedRows} rows`)
  if (step.examinedRows !== undefined) parts.push(`${step.examinedRows} examined`)
  if (step.givenRows !== undefined) parts.push(`${step.givenRows} given`)
  if (step.orderedBy !== undefined) parts.push(`ordered by ${step.orderedBy.join(', ')}`)
  if (step.elapsedMs !== undefined) parts.push(`${step.elapsedMs.toFixed(3)} ms`)
  return parts.join(' · ')
}

/** Explains a pipeline for the values of one run. */
export function explain(pipeline: Pipeline, slots: SlotValues, input: unknown, options: ExplainOptions): Explanation {
  pipeline.begin(slots)
  if (options.run !== true) return new Explanation(stepsOf(pipeline, undefined))
  const trace = new Trace()
  const started = performance.now()
  let results = 0
  pipeline.run(
    input,
    Number.POSITIVE_INFINITY,
    () => {
      results++
      return false
    },
    trace,
  )
  const elapsedMs = performance.now() - started
  return new Explanation(stepsOf(pipeline, trace, elapsedMs), results, elapsedMs)
}

/** What is counted during a run that is explained, by position: 0 the head, 1 the first stage and so on. */
export class Trace {
  readonly given: number[] = []
  /** Time that the steps after each took. */
  readonly afterMs: number[] = []
  /** Time of a plan within another, for all inputs. */
  elapsedMs = 0
  private readonly inner = new Map<Pipeline, Trace>()

  /** What is counted in a plan within this one. */
  within(pipeline: Pipeline): Trace {
    let trace = this.inner.get(pipeline)
    if (trace === undefined) {
      trace = new Trace()
      this.inner.set(pipeline, trace)
    }
    return trace
  }

  add(position: number, count: number, ms: number): void {
    this.given[position] = (this.given[position] ?? 0) + count
    this.afterMs[position] = (this.afterMs[position] ?? 0) + ms
  }
}

function stepsOf(pipeline: Pipeline, trace: Trace | undefined, elapsedMs = 0): ExplainedStep[] {
  const steps: ExplainedStep[] = []
  let leftMs = elapsedMs
  const ran = (position: number): Partial<ExplainedStep> => {
    if (trace === undefined) return {}
    const afterMs = trace.afterMs[position] ?? 0
    const ms = leftMs - afterMs
    leftMs = afterMs
    return { givenRows: trace.given[position] ?? 0, elapsedMs: Math.max(0, ms) }
  }
  const head = ran(0)
  if (pipeline.head !== undefined) steps.push({ ...rowStep(pipeline.head, trace), ...head })
  pipeline.stages.forEach((stage, i) => {
    const step = stage.rows === undefined ? { step: stage.name } : rowStep(stage.rows, trace)
    const parts = stage.parts?.map((part) => {
      const inner = trace?.within(part)
      return stepsOf(part, inner, inner?.elapsedMs)
    })
    steps.push({ ...step, ...ran(i + 1), ...(parts === undefined ? {} : { parts }) })
  })
  return steps
}

function rowStep(rows: RowStage, trace: Trace | undefined): ExplainedStep {
  const { source, order } = rows
  return {
    step: `rows of ${rows.table.name}`,
    access: source.name,
    estimatedRows: Math.round(source.estimate()),
    ...(order.length === 0
      ? {}
      : { orderedBy: order.map(({ path, isDescending }) => `${path.path.label}${isDescending ? ' desc' : ''}`) }),
    ...(trace === undefined ? {} : { chosen: source.chosen, examinedRows: source.examined }),
    ...(source.code === undefined ? {} : { code: source.code }),
  }
}
