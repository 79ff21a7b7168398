// npm run --silent bench:report -- [TASK ...]   (draw: only writes what was measured before)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { barChart, growthChart } from './charts'
import { machine, type TaskReport } from './harness'
import { fail, jsonFrom } from './process'

/** What each task measures, in the order of the report. */
const TASKS: Record<string, string> = {
  'point-read': 'One column of a random row by its key',
  'index-lookup': 'All rows with a random value, about 20: their keys',
  lookup: 'All orders of a customer, about 20: two properties of each',
  range: '1,000 rows in the order of a column: two columns of each',
  join: 'The prices of about 1,000 products, over three classes',
  request: 'A request of 300 small look-ups',
  entity: '1,000 objects by key: three properties of each',
  'filter-scan': 'How many of all rows fit two conditions that no index answers',
  group: 'Sums over all rows by a column of six texts, and by one of 50,000 numbers',
  commit: 'One row updated, five indexed columns',
  batch: '1,000 rows a transaction, not synced',
  bulk: 'Rows with five indexes into a new file',
  'initial-copy': 'A table of Postgres copied, every column indexed',
  follow: 'A commit in Postgres until it is visible; a backlog drained',
  recover: 'Opening after a crash: logged transactions done again',
  checkpoint: 'Changed blocks into the file',
  'follow-local': 'A commit until another thread or process sees it',
  readers: 'Processes that read beside each other',
  open: 'Opening a file',
  save: 'A whole file, and one after few changes',
  memory: 'Bytes of an indexed number',
  gc: 'A minute of reads and writes over 100 M values',
}

/** Tasks that are measured at several sizes, with whom. */
const GROWTH: Record<string, string> = {
  'point-read': 'raw,snapheap-column,snapheap-property,map,better-sqlite3',
  'index-lookup': 'snapheap,map,better-sqlite3',
}
const SIZES = [10_000, 100_000, 1_000_000, 4_000_000]

/** What was measured so far, by task and, for growth, by task and rows: a report of some tasks keeps the others'. */
interface Measured {
  machine: string
  tasks: Record<string, TaskReport & { day: string }>
  growth: Record<string, Record<string, TaskReport>>
}

const { positionals } = parseArgs({ allowPositionals: true })
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = join(root, 'docs', 'benchmarks')
const resultsPath = join(folder, 'results.json')
const known = [...Object.keys(TASKS), 'growth', 'draw']
const wanted = positionals.length === 0 ? known : positionals
for (const name of wanted) if (!known.includes(name)) fail(`There is no task "${name}". There are ${known.join(', ')}.`)

mkdirSync(folder, { recursive: true })
const measured: Measured = existsSync(resultsPath)
  ? (JSON.parse(readFileSync(resultsPath, 'utf8')) as Measured)
  : { machine: '', tasks: {}, growth: {} }
measured.machine = machine()
for (const name of wanted) {
  if (name === 'draw') continue
  if (name === 'growth') await measureGrowth()
  else measured.tasks[name] = { ...(await run(name)), day: new Date().toISOString().slice(0, 10) }
  writeFileSync(resultsPath, `${JSON.stringify(measured, undefined, 1)}\n`)
}
await writeReport()
process.exit(0)

async function measureGrowth(): Promise<void> {
  for (const [name, only] of Object.entries(GROWTH)) {
    for (const rows of SIZES) {
      const report = await run(name, '--rows', String(rows), '--only', only)
      ;(measured.growth[name] ??= {})[rows] = report
    }
  }
}

async function run(task: string, ...flags: string[]): Promise<TaskReport> {
  process.stderr.write(`${task} ${flags.join(' ')}\n`)
  const program = ['scripts/run-bundled.mjs', 'bench/run.ts', task, '--json', ...flags]
  return (await jsonFrom(task, program, root)) as TaskReport
}

async function writeReport(): Promise<void> {
  const lines = [
    '# Benchmarks',
    '',
    `Written by \`npm run bench:report\` on ${measured.machine}. Contenders of one table were measured in one run on the same rows, and had`,
    'to give equal answers first. Where a time has a range, each contender ran in several processes of its own, in turn with the others:',
    'the median, and the smallest and largest in brackets. Machines differ: read ratios.',
  ]
  for (const [name, title] of Object.entries(TASKS)) {
    const report = measured.tasks[name]
    if (report === undefined) continue
    lines.push(
      '',
      `## ${name}`,
      '',
      `${title}. ${report.rows.toLocaleString('en')} rows, Node ${report.node}, ${report.day}.`,
      '',
    )
    lines.push(...tableOf(report))
    if (Object.values(report.contenders).some(({ minNsPerOp }) => minNsPerOp !== undefined)) {
      writeFileSync(join(folder, `${name}.svg`), await barChart(title, report))
      lines.push('', `![${title}](benchmarks/${name}.svg)`)
    }
  }
  for (const [name, bySize] of Object.entries(measured.growth)) {
    const title = `${TASKS[name]}: by rows`
    writeFileSync(join(folder, `${name}-growth.svg`), await growthChart(title, Object.values(bySize)))
    lines.push('', `## ${name} as rows grow`, '', `![${title}](benchmarks/${name}-growth.svg)`)
  }
  writeFileSync(join(root, 'docs', 'benchmarks.md'), `${lines.join('\n')}\n`)
}

function tableOf(report: TaskReport): string[] {
  const figures = [...new Set(Object.values(report.contenders).flatMap((each) => Object.keys(each)))]
  const columns = figures.filter((figure) => figure !== 'minNsPerOp' && figure !== 'maxNsPerOp')
  const rows = Object.entries(report.contenders).map(([contender, result]) => {
    const cells = columns.map((figure) => {
      if (figure === 'nsPerOp' && result.minNsPerOp !== undefined) {
        return `${duration(result.nsPerOp)} (${duration(result.minNsPerOp)}–${duration(result.maxNsPerOp)})`
      }
      return figure === 'nsPerOp' ? duration(result.nsPerOp) : plain(result[figure])
    })
    return `| ${contender} | ${cells.join(' | ')} |`
  })
  const heads = columns.map((figure) => (figure === 'nsPerOp' ? 'time' : figure))
  return [`| | ${heads.join(' | ')} |`, `|---|${columns.map(() => '---:|').join('')}`, ...rows]
}

function duration(ns: number | undefined): string {
  if (ns === undefined) return ''
  if (ns < 1000) return `${plain(ns)} ns`
  return ns < 1e6 ? `${plain(ns / 1e3)} µs` : `${plain(ns / 1e6)} ms`
}

function plain(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
