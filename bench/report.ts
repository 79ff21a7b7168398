// npm run --silent bench:report -- [TASK ...]   (growth, nodes: those parts; draw: only writes what was measured
// before)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { barChart, growthChart } from './charts'
import { machine, notesOf, type TaskReport } from './harness'
import { fail, jsonFrom } from './process'
import { GROWTH, ON_NODES, TASKS } from './report-tasks'
import { mainFigure, tableBy, tableOf } from './report-text'

/**
 * What was measured so far: of growth by task and rows, of versions of Node by version. A report of some parts keeps
 * the others'.
 */
interface Measured {
  machine: string
  tasks: Record<string, TaskReport & { day: string }>
  growth: Record<string, Record<string, TaskReport>>
  nodes: Record<string, TaskReport>
}

const { positionals } = parseArgs({ allowPositionals: true })
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = join(root, 'docs', 'benchmarks')
const resultsPath = join(folder, 'results.json')
const known = [...Object.keys(TASKS), 'growth', 'nodes', 'draw']
const wanted = positionals.length === 0 ? known : positionals
for (const name of wanted) if (!known.includes(name)) fail(`There is no task "${name}". There are ${known.join(', ')}.`)

mkdirSync(folder, { recursive: true })
const none: Measured = { machine: '', tasks: {}, growth: {}, nodes: {} }
const measured: Measured = existsSync(resultsPath)
  ? { ...none, ...JSON.parse(readFileSync(resultsPath, 'utf8')) }
  : none
measured.machine = machine()
for (const name of wanted) {
  if (name === 'growth') await measureGrowth()
  else if (name === 'nodes') measured.nodes = await onNodes()
  else if (name !== 'draw') measured.tasks[name] = { ...(await run(name)), day: new Date().toISOString().slice(0, 10) }
  writeFileSync(resultsPath, `${JSON.stringify(measured, undefined, 1)}\n`)
}
await writeReport()
process.exit(0)

/** One process for each contender and size, but where this report has measured the task at that size anyway. */
async function measureGrowth(): Promise<void> {
  measured.growth = {}
  for (const [name, { sizes, contenders }] of Object.entries(GROWTH)) {
    const bySize: Record<string, TaskReport> = {}
    measured.growth[name] = bySize
    for (const rows of sizes) {
      const whole = wanted.includes(name) && measured.tasks[name]?.rows === rows ? measured.tasks[name] : undefined
      const flags = ['--rows', String(rows), '--rounds', '1', '--only', contenders.join()]
      bySize[rows] = whole === undefined ? await run(name, ...flags) : part(whole, contenders)
    }
  }
}

function part(whole: TaskReport, names: readonly string[]): TaskReport {
  const only = <Of>(all: Record<string, Of>): Record<string, Of> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
  const { task, node, rows, contenders, leftOut = {} } = whole
  return { task, node, rows, contenders: only(contenders), leftOut: only(leftOut) }
}

async function onNodes(): Promise<Record<string, TaskReport>> {
  const { task, rows, contenders } = ON_NODES
  const program = ['scripts/bench-nodes.mjs', '--json', task, '--rows', String(rows), '--only', contenders.join()]
  return timed('nodes', async () => (await jsonFrom('bench:nodes', program, root)) as Record<string, TaskReport>)
}

async function run(task: string, ...flags: string[]): Promise<TaskReport> {
  const program = ['scripts/run-bundled.mjs', 'bench/run.ts', task, '--json', ...flags]
  return timed(`${task} ${flags.join(' ')}`, async () => (await jsonFrom(task, program, root)) as TaskReport)
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const result = await work()
  process.stderr.write(`${Math.round((performance.now() - start) / 1000)} s  ${what}\n`)
  return result
}

async function writeReport(): Promise<void> {
  const lines = [
    '# Benchmarks',
    '',
    `Written by \`npm run bench:report\` on ${measured.machine}. Contenders of one table were measured in one run on the same rows, and had`,
    'to give equal answers first. Where a figure has a range, each contender ran in several processes of its own, in turn with the others:',
    'the median, and the smallest and largest in brackets. Machines differ: read ratios.',
  ]
  for (const name of Object.keys(TASKS)) if (name in measured.tasks) lines.push(...(await taskSection(name)))
  for (const name of Object.keys(GROWTH)) if (name in measured.growth) lines.push(...(await growthSection(name)))
  if (Object.keys(measured.nodes).length > 0) lines.push(...nodesSection())
  writeFileSync(join(root, 'docs', 'benchmarks.md'), `${lines.join('\n')}\n`)
}

async function taskSection(name: string): Promise<string[]> {
  const report = measured.tasks[name]
  const title = TASKS[name]
  const context = `${report.rows.toLocaleString('en')} rows, Node ${report.node}, ${report.day}`
  const lines = ['', `## ${name}`, '', `${title}. ${context}.`, '', ...tableOf(report.contenders), ...notes([report])]
  if (Object.values(report.contenders).every(({ nsPerOp }) => nsPerOp !== undefined)) {
    writeFileSync(join(folder, `${name}.svg`), await barChart(title, report))
    lines.push('', `![${title}](benchmarks/${name}.svg)`)
  }
  return lines
}

async function growthSection(name: string): Promise<string[]> {
  const reports = Object.values(measured.growth[name])
  const title = `${TASKS[name]}: by rows`
  const note = GROWTH[name].note === undefined ? '' : ` ${GROWTH[name].note}`
  writeFileSync(join(folder, `${name}-growth.svg`), await growthChart(title, reports))
  const heads = reports.map(({ rows }) => rows.toLocaleString('en'))
  const leftOut = Object.assign({}, ...reports.map((each) => each.leftOut))
  const what = mainFigure(reports) === 'nsPerOp' ? 'Time' : 'Rows a second'
  const by = `${what}, by rows; one process for each but where the table above has several.${note}`
  const lines = ['', `## ${name} as rows grow`, '', by, '', ...tableBy(heads, reports)]
  return [
    ...lines,
    ...notes([{ ...reports[0], settings: {}, leftOut }]),
    '',
    `![${title}](benchmarks/${name}-growth.svg)`,
  ]
}

function nodesSection(): string[] {
  const reports = Object.values(measured.nodes)
  const rows = reports[0].rows.toLocaleString('en')
  const heads = reports.map(({ node }) => `Node ${node}`)
  return [
    '',
    '## On each version of Node',
    '',
    `${TASKS[ON_NODES.task]}. ${rows} rows.`,
    '',
    ...tableBy(heads, reports),
  ]
}

function notes(reports: readonly TaskReport[]): string[] {
  return reports.flatMap(notesOf).flatMap((note, i) => (i === 0 ? ['', `- ${note}`] : [`- ${note}`]))
}
