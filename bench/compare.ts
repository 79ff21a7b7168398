// npm run --silent bench:compare -- REF [TASK ...] [--rows N] [--rounds N] [--only CONTENDER,CONTENDER]
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { figuresOf, median, type TaskReport } from './harness'
import { fail, jsonFrom } from './process'

/** Tasks that tell the most, where none is named. */
const TASKS = ['point-read', 'index-lookup', 'lookup', 'range', 'request', 'bulk']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string' }, rounds: { type: 'string', default: '3' }, only: { type: 'string' } },
})
const [ref, ...named] = positionals
if (ref === undefined) fail('Name what to compare with: npm run bench:compare -- REF [TASK ...]')
const tasks = named.length === 0 ? TASKS : named
const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const there = checkOut(ref)
for (const task of tasks) await compare(task)
process.exit(0)

/** The other tree, in a folder that is gone when this process ends. */
function checkOut(commit: string): string {
  const parent = mkdtempSync(join(tmpdir(), 'snapheap-compare-'))
  const folder = join(parent, 'tree')
  process.on('exit', () => {
    git('worktree', 'remove', '--force', folder)
    rmSync(parent, { recursive: true, force: true })
  })
  const { status, stderr } = git('worktree', 'add', '--detach', folder, commit)
  if (status !== 0) fail(`There is no tree to compare with. ${stderr}`)
  for (const part of ['.', 'bench']) {
    const isSame = lockOf(here, part) === lockOf(folder, part)
    if (isSame) symlinkSync(join(here, part, 'node_modules'), join(folder, part, 'node_modules'))
  }
  const setUp = spawnSync(process.execPath, ['scripts/setup.mjs', 'bench'], { cwd: folder, stdio: ['ignore', 2, 2] })
  if (setUp.status !== 0) fail(`${commit} could not be set up.`)
  return folder
}

function lockOf(root: string, part: string): string | undefined {
  const path = join(root, part, 'package-lock.json')
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** Runs a task in both trees in turn and prints what this one's figures are of the other's. */
async function compare(task: string): Promise<void> {
  const ratios = new Map<string, number[]>()
  for (let round = 0; round < Number(values.rounds); round++) {
    // whoever comes second finds the machine as the first has left it
    const trees = round % 2 === 0 ? [there, here] : [here, there]
    const reports = new Map<string, TaskReport>()
    for (const tree of trees) reports.set(tree, await run(tree, task))
    for (const [name, figures] of Object.entries(reports.get(here)!.contenders)) {
      const others = reports.get(there)!.contenders[name]
      for (const { figure, value } of figuresOf(figures)) {
        const other = others?.[figure]
        if (other === undefined || other === 0) continue
        const key = `${name} ${figure}`
        ratios.set(key, [...(ratios.get(key) ?? []), value / other])
      }
    }
  }
  process.stdout.write(
    `${task}: this tree's figures as a share of those of ${ref}, medians of ${values.rounds} rounds\n`,
  )
  for (const [key, each] of ratios) {
    const range = `${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`
    process.stdout.write(`  ${key.padEnd(40)} ${median(each).toFixed(2)}   (${range})\n`)
  }
}

async function run(tree: string, task: string): Promise<TaskReport> {
  const chosen = Object.entries({ rows: values.rows, only: values.only })
  // trees take turns, so that one process for each contender is enough at a time
  const flags = ['--json', '--rounds', '1', ...chosen.flatMap(([name, value]) => (value ? [`--${name}`, value] : []))]
  const program = ['scripts/run-bundled.mjs', 'bench/run.ts', task, ...flags]
  return (await jsonFrom(`${task} in ${tree}`, program, tree)) as TaskReport
}

function git(...words: string[]): { status: number | null; stderr: string } {
  return spawnSync('git', words, { cwd: here, encoding: 'utf8' })
}
