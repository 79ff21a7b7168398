// npm run crash -- mirror --rounds N [--seed S]
//
// Kills a mirroring process N times at random moments; ends in the line "N rounds, 0 lost, 0 doubled".
import { parseArgs } from 'node:util'
import { crashRounds } from '../test/support/crash-rounds'
import { seeded } from '../test/support/random'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '10' }, seed: { type: 'string' } },
})
const rounds = Number(values.rounds)
if (positionals[0] !== 'mirror' || positionals.length !== 1 || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('Usage: npm run crash -- mirror [--rounds N] [--seed S]\n')
  process.exit(2)
}
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
process.stdout.write(`seed ${seed}\n`)
const report = await crashRounds(rounds, seeded(seed), (round, { lost, doubled, transactions }) => {
  process.stdout.write(`round ${round}: ${transactions} transactions, ${lost} lost, ${doubled} doubled\n`)
})
for (const problem of report.problems) process.stdout.write(`${problem}\n`)
process.stdout.write(`${report.rounds} rounds, ${report.lost} lost, ${report.doubled} doubled\n`)
process.exit(report.lost + report.doubled + report.problems.length === 0 ? 0 : 1)
