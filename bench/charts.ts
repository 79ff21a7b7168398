import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { TaskReport } from './harness'
import { mainFigure } from './report-text'

const WIDTH = 560

/** Times of the contenders as bars on a logarithmic axis, the fastest first. Returns SVG. */
export function barChart(title: string, report: TaskReport): Promise<string> {
  const values = Object.entries(report.contenders).map(([contender, { nsPerOp = 0 }]) => ({
    contender,
    nsPerOp,
    label: nsPerOp.toLocaleString('en', { maximumSignificantDigits: 3 }),
  }))
  const times = values.map(({ nsPerOp }) => nsPerOp)
  // a logarithmic axis has no zero for bars to begin at
  const from = 10 ** Math.floor(Math.log10(Math.min(...times)) - 0.5)
  const isOurs = { test: "indexof(datum.contender, 'snapheap') === 0", value: '#c2410c' }
  const y = { field: 'contender', type: 'nominal', sort: { field: 'nsPerOp' }, title: null } as const
  const x = {
    field: 'nsPerOp',
    type: 'quantitative' as const,
    scale: { type: 'log' as const, domain: [from, Math.max(...times) * 4] },
    axis: { format: '~s', tickCount: 5 },
    title: 'nanoseconds, logarithmic',
  }
  return draw({
    title,
    width: WIDTH,
    height: { step: 22 },
    data: { values },
    layer: [
      { mark: 'bar', encoding: { y, x, x2: { datum: from }, color: { condition: isOurs, value: '#94a3b8' } } },
      { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { y, x, text: { field: 'label' } } },
    ],
  })
}

/** Times, or rows a second, by number of rows, a line for each contender, both axes logarithmic. Returns SVG. */
export function growthChart(title: string, reports: readonly TaskReport[]): Promise<string> {
  const figure = mainFigure(reports)
  const values = reports.flatMap(({ rows, contenders }) =>
    Object.entries(contenders).map(([contender, result]) => ({ rows, contender, [figure]: result[figure] })),
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
        field: figure,
        type: 'quantitative',
        scale: { type: 'log' },
        title: figure === 'nsPerOp' ? 'nanoseconds' : 'rows a second',
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
