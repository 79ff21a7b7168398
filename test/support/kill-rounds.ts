import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Store } from '../../src/db/store'
import { MARKS, textOf } from './commit-load'
import { bundleProgram } from './program'

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'commit-child.ts')
/** The child is killed so long after its first commit, at most. */
const LONGEST_LIFE_MS = 300

export interface KillReport {
  rounds: number
  /** Commits that were acknowledged and are not there. */
  lost: number
  /** Rows that are of no commit, or of another than the rest. */
  torn: number
  /** Everything else that must not be, in words. */
  problems: string[]
  /** Commits acknowledged in all. */
  acknowledged: number
}

/**
 * Starts a process that commits and prints what was acknowledged, again and again, and kills it by SIGKILL at random
 * moments. After each kill every acknowledged commit must be there, whole.
 */
export async function killRounds(
  rounds: number,
  random: () => number,
  onRound: (report: KillReport) => void = () => undefined,
): Promise<KillReport> {
  const report: KillReport = { rounds: 0, lost: 0, torn: 0, problems: [], acknowledged: 0 }
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-killed-'))
  const { bundle, remove } = await bundleProgram(CHILD)
  try {
    const path = join(folder, 'killed.heap')
    while (report.rounds < rounds) {
      const seed = Math.floor(random() * 2 ** 31)
      const acknowledged = await liveAndDie(bundle, path, seed, random() * LONGEST_LIFE_MS, report)
      await inspect(path, acknowledged, report)
      report.rounds++
      onRound(report)
    }
    return report
  } finally {
    remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Returns the newest version that the child has printed. */
async function liveAndDie(
  bundle: string,
  path: string,
  seed: number,
  lifeMs: number,
  report: KillReport,
): Promise<number> {
  const child = spawn(process.execPath, [bundle, path, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let newest = 0
  const lines = createInterface({ input: child.stdout! })
  const hasEnded = Promise.all([once(child, 'exit'), once(lines, 'close')])
  lines.on('line', (line) => {
    newest = Math.max(newest, Number(line))
    report.acknowledged++
  })
  await Promise.race([once(lines, 'line'), hasEnded])
  await new Promise((resolve) => setTimeout(resolve, lifeMs))
  if (child.exitCode !== null) report.problems.push(`the process ended by itself with code ${child.exitCode}`)
  child.kill('SIGKILL')
  await hasEnded
  return newest
}

async function inspect(path: string, acknowledged: number, report: KillReport): Promise<void> {
  const store = Store.open(path)
  try {
    report.problems.push(...store.check().problems)
    if (store.version < acknowledged) report.lost += acknowledged - store.version
    if (!store.tableNames.includes('commits')) return
    const commits = store.table('commits')
    for (let version = 2; version <= store.version; version++) {
      const text = commits.get(version)?.text as string | undefined
      const piece = textOf(version, 0)
      if (text === undefined) report.lost++
      else if (text !== piece.repeat(text.length / piece.length)) report.torn++
    }
    if (commits.rowCount !== store.version - 1) report.torn++
    for (let id = 0; id < MARKS; id++) if (store.table('marks').get(id)?.version !== store.version) report.torn++
  } finally {
    await store.close()
  }
}
