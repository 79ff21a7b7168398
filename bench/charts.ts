import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { TaskReport } from './harness'

const WIDTH = 560

/** Times of the contenders as bars on a logarithmic axis, the fastest first. Returns SVG. */
export function barChart(title: string, report: TaskReport): Promise<string> {
  const values = Object.entries(report.contenders).map(([contender, { nsPerOp }]) => ({ contender, nsPerOp }))
  const isOurs = { test: "indexof(datum.contender, 'snapheap') === 0", value: '#c2410c' }
  return draw({
    title,
    width: WIDTH,
    height: { step: 22 },
    data: { values },
    mark: 'bar',
    encoding: {
      y: { field: 'contender', type: 'nominal', sort: 'x', title: null },
      x: { field: 'nsPerOp', type: 'quantitative', scale: { type: 'log' }, title: 'nanoseconds, logarithmic' },
      color: { condition: isOurs, value: '#94a3b8' },
    },
  })
}

/** Times by number of rows, a line for each contender, both axes logarithmic. Returns SVG. */
export function growthChart(title: string, reports: readonly TaskReport[]): Promise<string> {
  const values = reports.flatMap(({ rows, contenders }) =>
    Object.entries(contenders).map(([contender, { nsPerOp }]) => ({ rows, contender, nsPerOp })),
  )
  return draw({
    title,
    width: WIDTH,
    height: 280,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'rows', type: 'quantitative', scale: { type: 'log' }, axis: { format: '~s', tickCount: 5 } },
      y: {
        field: 'nsPerOp',
        type: 'quantitative',
        scale: { type: 'log' },
        title: 'nanoseconds',
        axis: { tickCount: 6 },
      },
      color: { field: 'contender', type: 'nominal', title: null },
    },
  })
}

async function draw(specification: TopLevelSpec): Promise<string> {
  const { spec } = compile({ background: 'white', padding: 12, ...specification })
  return `${await new View(parse(spec), { renderer: 'none' }).toSVG()}\n`
}
