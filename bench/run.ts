// npm run --silent bench -- TASK [--json] [--rows N]
import { parseArgs } from 'node:util'
import { formatReport, type Result } from './harness'

export interface Task {
  /** Rows where `--rows` says nothing. */
  readonly rows: number
  run(rows: number): Promise<Record<string, Result>>
}

const TASKS: Record<string, () => Promise<{ task: Task }>> = {
  'point-read': () => import('./point-read'),
  'index-lookup': () => import('./index-lookup'),
  open: () => import('./open'),
  save: () => import('./save'),
  'initial-copy': () => import('./initial-copy'),
  follow: () => import('./follow'),
  commit: () => import('./commit'),
  batch: () => import('./batch'),
  bulk: () => import('./bulk'),
  recover: () => import('./recover'),
  checkpoint: () => import('./checkpoint'),
  'follow-local': () => import('./follow-local'),
  readers: () => import('./readers'),
  lookup: () => import('./lookup'),
  range: () => import('./range'),
  join: () => import('./join'),
  'filter-scan': () => import('./filter-scan'),
  group: () => import('./group'),
  entity: () => import('./entity'),
  request: () => import('./request'),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, rows: { type: 'string' } },
})
const names = positionals.length === 0 ? Object.keys(TASKS) : positionals
for (const name of names) {
  const load = TASKS[name]
  if (load === undefined) {
    process.stderr.write(`There is no benchmark "${name}". There are ${Object.keys(TASKS).join(', ')}.\n`)
    process.exit(2)
  }
  const { task } = await load()
  const rows = values.rows === undefined ? task.rows : Number(values.rows)
  const report = { task: name, node: process.versions.node, rows, contenders: await task.run(rows) }
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`)
}
process.exit(0)
