// npm run crash -- [process | mirror | ddl] [--rounds N] [--seed S] [--jobs J]
//
// Without a name: lives through N simulated histories of crashes, power cuts and failures of the file system, of the
// seeds from S on; ends in the line "N rounds, 0 lost, 0 torn, 0 false errors". A failing round tells its seed:
// --rounds 1 --seed THAT repeats it. `process`: kills a committing process N times; ends in "N rounds, 0 lost, 0 torn".
// `mirror`: kills a mirroring process N times; ends in "N rounds, 0 lost, 0 doubled". `ddl`: compares a mirror with its
// server through N histories of random changes of schema and rows, of the seeds from S on; ends in "N rounds, 0 wrong".
// A failing round shows its SQL. `--jobs J` lives through J of these at a time.
import { parseArgs } from 'node:util'
import { simulateRounds } from '../test/log/support/simulator'
import { crashRounds } from '../test/support/crash-rounds'
import { type DdlReport, ddlRounds } from '../test/support/ddl-fuzz/rounds'
import { killRounds } from '../test/support/kill-rounds'
import { seeded } from '../test/support/random'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '1' },
  },
})
const rounds = Number(values.rounds)
const jobs = Number(values.jobs)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const modes: Record<string, () => Promise<boolean>> = { simulated, process: killed, mirror: mirrored, ddl: altered }
const run = modes[positionals[0] ?? 'simulated']
const areCounts = [rounds, jobs].every((count) => Number.isInteger(count) && count > 0)
if (run === undefined || positionals.length > 1 || !areCounts || !Number.isInteger(seed)) {
  process.stderr.write('Usage: npm run crash -- [process | mirror | ddl] [--rounds N] [--seed S] [--jobs J]\n')
  process.exit(2)
}
print(`seed ${seed}`)
process.exit((await run()) ? 0 : 1)

async function simulated(): Promise<boolean> {
  let told = 0
  const report = await simulateRounds(rounds, seed, ({ failures, rounds: done, commits, reopenings, faults }) => {
    for (; told < failures.length; told++) print(`seed ${failures[told].seed}: ${failures[told].error.message}`)
    if (done % 100 === 0) print(`${done} rounds: ${commits} commits, ${reopenings} reopenings, ${faults} faults`)
  })
  const { lost, torn, falseErrors } = report
  print(`${rounds} rounds, ${lost} lost, ${torn} torn, ${falseErrors} false errors`)
  return report.failures.length === 0
}

async function killed(): Promise<boolean> {
  const report = await killRounds(rounds, seeded(seed), ({ rounds: done, acknowledged }) => {
    print(`round ${done}: ${acknowledged} commits acknowledged`)
  })
  for (const problem of report.problems) print(problem)
  print(`${report.rounds} rounds, ${report.lost} lost, ${report.torn} torn`)
  return report.lost + report.torn + report.problems.length === 0
}

async function mirrored(): Promise<boolean> {
  const report = await crashRounds(rounds, seeded(seed), (round, { lost, doubled, transactions }) => {
    print(`round ${round}: ${transactions} transactions, ${lost} lost, ${doubled} doubled`)
  })
  for (const problem of report.problems) print(problem)
  print(`${report.rounds} rounds, ${report.lost} lost, ${report.doubled} doubled`)
  return report.lost + report.doubled + report.problems.length === 0
}

async function altered(): Promise<boolean> {
  let told = 0
  const tell = ({ rounds: done, failures, statements, refused }: DdlReport): void => {
    for (; told < failures.length; told++) {
      const { seed: failing, failure, script } = failures[told]
      print(`seed ${failing}: ${failure.kind}: ${failure.message}`)
      for (const line of script) print(`    ${line}`)
    }
    if (done % 10 === 0)
      print(`${done} rounds: ${statements} statements, ${refused} refused, ${failures.length} failures`)
  }
  const report = await ddlRounds(rounds, seed, tell, { jobs })
  print(`${report.rounds} rounds, ${report.wrong} wrong`)
  return report.failures.length === 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
