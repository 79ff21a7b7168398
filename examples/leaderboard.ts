// A leaderboard that follows the games: `watch` tells what each commit changed among the best three.
//
//   node scripts/run-bundled.mjs examples/leaderboard.ts
import { integer, open, table, text } from 'snapheap'

const player = table('player', { id: integer().key(), name: text(), points: integer().index('ordered') })

const db = await open(undefined, { entities: [player] })
db.write((tx) => {
  for (const [id, name] of ['Ada', 'Bob', 'Cleo', 'Dora', 'Emil'].entries()) {
    tx.insert(player, { id, name, points: 10 * (5 - id) })
  }
})

const best = db.query(player).orderBy('points', 'desc').limit(3)
const show = (): string =>
  best
    .collect()
    .map(({ name, points }) => `${name} ${points}`)
    .join(', ')
console.log(`At the beginning: ${show()}`)

const stop = db.watch(best, ({ added, removed, moved, changed }) => {
  const parts = Object.entries({ added, removed, moved, changed }).flatMap(([what, players]) =>
    players.length === 0 ? [] : [`${what} ${players.map((each) => each.name).join(' and ')}`],
  )
  console.log(`${parts.join('; ')}: ${show()}`)
})

const win = (name: string, points: number): void => {
  db.write((tx) => {
    tx.findOne(player, { name })!.points += points
  })
}
win('Cleo', 15) // passes Bob
win('Emil', 1) // still among the others: nothing is told
win('Emil', 60) // takes the lead; who was third drops out
stop()
await db.close()

// Prints:
// At the beginning: Ada 50, Bob 40, Cleo 30
// moved Cleo; changed Cleo: Ada 50, Cleo 45, Bob 40
// added Emil; removed Bob: Emil 71, Ada 50, Cleo 45
