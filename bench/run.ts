// npm run --silent bench -- TASK [--json] [--rows N] [--only CONTENDER,CONTENDER]
import { parseArgs } from 'node:util'
import {
  type Apart,
  ensureAlike,
  formatReport,
  measure,
  type Race,
  type Result,
  resultsOf,
  type Sample,
} from './harness'
import { fail, jsonFrom } from './process'

/** A race, a task whose contenders are measured apart, or one that times its contenders itself. */
export type Task =
  | Race
  | Apart
  | {
      /** Rows where `--rows` says nothing. */
      readonly rows: number
      run(rows: number): Promise<Record<string, Result>>
    }

/** Processes that each contender of a race is measured in. */
const ROUNDS = 3

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
  memory: () => import('./memory'),
  gc: () => import('./gc'),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rows: { type: 'string' },
    /** Contenders of a race that are to be measured; all where none is named. */
    only: { type: 'string' },
    /** In the processes that this one starts: which contender to measure, with what the first process shares. */
    contender: { type: 'string' },
    shared: { type: 'string', default: 'null' },
  },
})

for (const name of positionals.length === 0 ? Object.keys(TASKS) : positionals) {
  const load = TASKS[name]
  if (load === undefined) fail(`There is no benchmark "${name}". There are ${Object.keys(TASKS).join(', ')}.`)
  const { task } = await load()
  const rows = values.rows === undefined ? task.rows : Number(values.rows)
  if (values.contender !== undefined) {
    process.stdout.write(JSON.stringify(await measured(task, rows, values.contender)))
    process.exit(0)
  }
  const contenders = await ('runners' in task
    ? raceProcesses(name, task, rows)
    : 'run' in task
      ? alone(name, rows)
      : apart(name, task, rows))
  const report = { task: name, node: process.versions.node, rows, contenders }
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`)
}
process.exit(0)

/** What a process that was started to measure answers. */
async function measured(task: Task, rows: number, contender: string): Promise<unknown> {
  if ('run' in task) return task.run(rows)
  if ('contenders' in task) return task.contenders(rows)[contender]()
  return measure(task.runners(rows, JSON.parse(values.shared))[contender], task.operationsToAgree)
}

/** Every contender in new processes, in turn, round after round. */
async function raceProcesses(name: string, task: Race, rows: number): Promise<Record<string, Result>> {
  const shared = await task.share?.(rows)
  const only = values.only?.split(',')
  const names = Object.keys(task.runners(rows, shared)).filter((each) => only === undefined || only.includes(each))
  const samples = new Map<string, Sample[]>(names.map((each) => [each, []]))
  for (let round = 0; round < ROUNDS; round++) {
    const answers = new Map<string, number>()
    for (const contender of names) {
      progress(`${name}: round ${round + 1} of ${ROUNDS}, ${contender}`)
      const sample = (await inNewProcess(name, rows, contender, shared)) as Sample
      samples.get(contender)!.push(sample)
      answers.set(contender, sample.answer)
    }
    ensureAlike(answers)
  }
  progress('')
  return resultsOf(samples)
}

/** A task that is not a race, in a process that has not built this program. */
async function alone(name: string, rows: number): Promise<Record<string, Result>> {
  return (await inNewProcess(name, rows, '', null)) as Record<string, Result>
}

async function apart(name: string, task: Apart, rows: number): Promise<Record<string, Result>> {
  const results: Record<string, Result> = {}
  for (const contender of Object.keys(task.contenders(rows))) {
    progress(`${name}: ${contender}`)
    results[contender] = (await inNewProcess(name, rows, contender, null)) as Result
  }
  progress('')
  return results
}

async function inNewProcess(name: string, rows: number, contender: string, shared: unknown): Promise<unknown> {
  const flags = ['--rows', String(rows), '--contender', contender, '--shared', JSON.stringify(shared ?? null)]
  return jsonFrom(`${name} ${contender}`, [...process.execArgv, import.meta.filename, name, ...flags])
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}
