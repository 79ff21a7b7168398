import { figuresOf, type Result, type TaskReport } from './harness'

/** A table with a row for each contender and a column for each figure, in Markdown. */
export function tableOf(contenders: Record<string, Result>): string[] {
  const rows = Object.entries(contenders).map(([contender, result]) => ({
    contender,
    cells: new Map(
      [...figuresOf(result)].map(({ figure, value, min, max }) => [figure, textOf(figure, value, min, max)]),
    ),
  }))
  const figures = [...new Set(rows.flatMap(({ cells }) => [...cells.keys()]))]
  return table(
    figures.map((figure) => (figure === 'nsPerOp' ? 'time' : figure)),
    rows.map(({ contender, cells }) => [contender, ...figures.map((figure) => cells.get(figure) ?? '')]),
  )
}

/** A table of one figure: a row for each contender, a column for each report. */
export function tableBy(heads: readonly string[], reports: readonly TaskReport[]): string[] {
  const figure = mainFigure(reports)
  const names = [...new Set(reports.flatMap(({ contenders }) => Object.keys(contenders)))]
  const cell = (report: TaskReport, name: string): string => {
    const value = report.contenders[name]?.[figure]
    return value === undefined ? '' : textOf(figure, value)
  }
  return table(
    heads,
    names.map((name) => [name, ...reports.map((report) => cell(report, name))]),
  )
}

/** The figure that all of a task's contenders have. */
export function mainFigure(reports: readonly TaskReport[]): 'nsPerOp' | 'perSecond' {
  return reports.some(({ contenders }) => Object.values(contenders).some((each) => 'nsPerOp' in each))
    ? 'nsPerOp'
    : 'perSecond'
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const head = `| | ${heads.join(' | ')} |`
  return [head, `|---|${heads.map(() => '---:|').join('')}`, ...rows.map((cells) => `| ${cells.join(' | ')} |`)]
}

function textOf(figure: string, value: number, min?: number, max?: number): string {
  const text = (each: number): string => (figure === 'nsPerOp' ? duration(each) : plain(each))
  return min === undefined ? text(value) : `${text(value)} (${text(min)}–${text(max!)})`
}

function duration(ns: number): string {
  if (ns < 1000) return `${plain(ns)} ns`
  return ns < 1e6 ? `${plain(ns / 1e3)} µs` : `${plain(ns / 1e6)} ms`
}

function plain(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
