// npm run --silent bench -- TASK [--json] [--rows N] [--rounds N] [--only CONTENDER,CONTENDER]
import { parseArgs } from 'node:util'
import {
  type Apart,
  ensureAlike,
  type Figures,
  formatReport,
  measure,
  type Race,
  resultOf,
  type Sample,
  type Task,
  type TaskReport,
  type Trial,
} from './harness'
import { fail, jsonFrom } from './process'

/** Processes that each contender is measured in, where neither task nor caller says. */
const ROUNDS = 3

const TASKS: Record<string, () => Promise<{ task: Task }>> = {
  'point-read': () => import('./point-read'),
  'index-lookup': () => import('./index-lookup'),
  open: () => import('./open'),
  save: () => import('./save'),
  'initial-copy': () => import('./initial-copy'),
  follow: () => import('./follow'),
  'mirror-cost': () => import('./mirror-cost'),
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
  hydrate: () => import('./hydrate'),
  request: () => import('./request'),
  memory: () => import('./memory'),
  gc: () => import('./gc'),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rows: { type: 'string' },
    rounds: { type: 'string' },
    /** Contenders that are to be measured; all where none is named. */
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
  const rounds = values.rounds === undefined ? (task.rounds ?? ROUNDS) : Number(values.rounds)
  const measuredIn = 'measure' in task ? together(name, rows, rounds) : apart(name, task, rows, rounds)
  const report: TaskReport = { task: name, node: process.versions.node, rows, ...(await measuredIn) }
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`)
}
process.exit(0)

/** What a process that was started to measure answers. */
async function measured(task: Task, rows: number, contender: string): Promise<unknown> {
  if ('measure' in task) return task.measure(rows)
  return trialsOf(task, rows)[contender].measure(JSON.parse(values.shared))
}

function trialsOf(task: Race | Apart, rows: number): Record<string, Trial> {
  if ('contenders' in task) return task.contenders(rows)
  const runners = Object.entries(task.runners(rows))
  return Object.fromEntries(
    runners.map(([name, runner]): [string, Trial] => [
      name,
      { ...runner, measure: (shared) => measure(runner, task.operationsToAgree, shared) },
    ]),
  )
}

type Outcome = Omit<TaskReport, 'task' | 'node' | 'rows'>

/** Every contender in new processes, in turn, round after round. */
async function apart(name: string, task: Race | Apart, rows: number, rounds: number): Promise<Outcome> {
  const only = values.only?.split(',')
  const everybody = Object.entries(trialsOf(task, rows))
  const all = everybody.filter(([each]) => only === undefined || only.includes(each))
  if (all.length === 0)
    fail(`${name} has none of ${values.only}. It has ${everybody.map(([each]) => each).join(', ')}.`)
  const trials = all.filter(([, { leftOut }]) => leftOut === undefined)
  const shared = new Map<string, unknown>()
  for (const [contender, trial] of trials) shared.set(contender, await trial.share?.())
  const samples = new Map<string, Figures[]>(trials.map(([each]) => [each, []]))
  for (let round = 1; round <= rounds; round++) {
    const answers = new Map<string, number>()
    for (const [contender, trial] of trials) {
      if (trial.rounds !== undefined && trial.rounds < round) continue
      progress(`${name}: round ${round} of ${rounds}, ${contender}`)
      const { answer, figures } = (await inNewProcess(name, rows, contender, shared.get(contender))) as Sample
      samples.get(contender)!.push(figures)
      if (answer !== undefined) answers.set(contender, answer)
    }
    ensureAlike(answers)
  }
  progress('')
  const notes = (what: 'settings' | 'leftOut') =>
    Object.fromEntries(all.flatMap(([each, { [what]: note }]) => (note === undefined ? [] : [[each, note]])))
  const settings = notes('settings')
  const leftOut = notes('leftOut')
  for (const each of Object.keys(leftOut)) delete settings[each]
  const contenders = Object.fromEntries([...samples].map(([each, figures]) => [each, resultOf(figures)]))
  return { contenders, settings, leftOut }
}

/** All contenders in one process, and a new one for each round. */
async function together(name: string, rows: number, rounds: number): Promise<Outcome> {
  const samples = new Map<string, Figures[]>()
  for (let round = 1; round <= rounds; round++) {
    progress(`${name}: round ${round} of ${rounds}`)
    const measured = (await inNewProcess(name, rows, '', null)) as Record<string, Figures>
    for (const [each, figures] of Object.entries(measured)) samples.set(each, [...(samples.get(each) ?? []), figures])
  }
  progress('')
  const contenders = Object.fromEntries([...samples].map(([each, figures]) => [each, resultOf(figures)]))
  return { contenders, settings: {}, leftOut: {} }
}

function inNewProcess(name: string, rows: number, contender: string, shared: unknown): Promise<unknown> {
  const flags = ['--rows', String(rows), '--contender', contender, '--shared', JSON.stringify(shared ?? null)]
  return jsonFrom(`${name} ${contender}`, [...process.execArgv, import.meta.filename, name, ...flags])
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}
