// The process that a backend engineer would run: it mirrors two tables and answers from its own memory.
import { statSync } from 'node:fs'
import cliProgress from 'cli-progress'
import pg from 'pg'
import { open } from '../../src/index'
import { mirror } from '../../src/postgres'
import { City, Country } from './model'
import { formatMs, line, median, title } from './report'

const [stage, path] = process.argv.slice(2)
const connection = JSON.parse(process.env.DEMO_CONNECTION ?? '{}')
if (stage === 'first') await first()
else await again()
process.send?.('shown')

async function first(): Promise<void> {
  title('Its tables, mirrored into this process')
  const db = await open(path, { entities: [City, Country] })
  const start = performance.now()
  const bar = new cliProgress.SingleBar({
    format: '  copying {bar} {percentage}% {value}/{total} rows',
    clearOnComplete: true,
  })
  const world = await mirror(db, { connection, tables: ['country', 'city'] })
  world.on('progress', ({ rows, rowsTotal }) => {
    if (!bar.isActive) bar.start(rowsTotal, 0)
    bar.update(Math.min(rows, rowsTotal))
  })
  await world.ready
  bar.stop()
  const copied = performance.now() - start
  line('copied, every column indexed', `${db.count(City).toLocaleString('en')} cities`, copied)

  const client = new pg.Client(connection)
  await client.connect()
  await pointRead(db, client)
  await lookUps(db, client)
  await arrival(db, client)

  title('A snapshot file')
  const saved = performance.now()
  await db.saveAs(`${path}.snapshot`)
  line('db.saveAs(file)', `${(statSync(`${path}.snapshot`).size / 1e6).toFixed(1)} MB`, performance.now() - saved)
  await db.checkpoint()
  await client.end()
}

type WorldDatabase = Awaited<ReturnType<typeof open>>

async function pointRead(db: WorldDatabase, client: pg.Client): Promise<void> {
  title('One property by id')
  const ids = [...db.all(City)].map((city) => city.id)
  const idAt = (i: number): number => ids[(i * 7919) % ids.length]
  const cities = [...db.all(City)]
  const atHand = medianOf(9, 100_000, (i) => cities[(i * 7919) % cities.length].population)
  const here = medianOf(9, 100_000, (i) => db.get(City, idAt(i))!.population)
  const there = await medianOfAsync(5, 400, async (i) => {
    const { rows } = await client.query({
      name: 'population',
      text: 'SELECT population FROM city WHERE id = $1',
      values: [idAt(i)],
    })
    return rows[0].population
  })
  line('city.population', formatMs(atHand))
  line('db.get(City, id).population', formatMs(here))
  line(
    'prepared query, same socket',
    `${formatMs(there)}: ${Math.round(there / here).toLocaleString('en')} times as long`,
  )
}

async function lookUps(db: WorldDatabase, client: pg.Client): Promise<void> {
  title('Many rows by a value, and through a reference')
  const here = medianOf(9, 2000, () => db.find(City, { country: 'NZ' }).length)
  const there = await medianOfAsync(5, 50, async () => {
    const { rows } = await client.query({
      name: 'cities',
      text: 'SELECT * FROM city WHERE country = $1',
      values: ['NZ'],
    })
    return rows.length
  })
  line(
    `find(City, { country: 'NZ' })`,
    `${db.find(City, { country: 'NZ' }).length} cities in ${formatMs(here)}; Postgres ${formatMs(there)}`,
  )
  const start = performance.now()
  const large = db
    .find(Country, { continent: 'AF' })
    .flatMap((country) => db.find(City, { country }))
    .filter((city) => city.population > 2_000_000)
    .sort((a, b) => b.population - a.population)
  const took = performance.now() - start
  const top = large.slice(0, 3).map((city) => `${city.name} (${city.country.name})`)
  line('African cities above 2 million', `${large.length}: ${top.join(', ')} …`, took)
}

async function arrival(db: WorldDatabase, client: pg.Client): Promise<void> {
  title('An UPDATE in Postgres, seen here')
  const [city] = db.find(City, { name: 'Wellington', country: 'NZ' })
  const delays: number[] = []
  for (let i = 1; i <= 21; i++) {
    await client.query('UPDATE city SET population = $1 WHERE id = $2', [i, city.id])
    const committed = performance.now()
    while (city.population !== i) await new Promise(setImmediate)
    delays.push(performance.now() - committed)
  }
  line('from COMMIT to the property', `${formatMs(median(delays))} (median of ${delays.length})`)
}

async function again(): Promise<void> {
  const start = performance.now()
  const db = await open(path, { entities: [City, Country] })
  line('reopened', `${db.table('city').rowCount.toLocaleString('en')} cities, readable`, performance.now() - start)
  let hasCopied = false
  const caughtUp = performance.now()
  const world = await mirror(db, { connection, tables: ['country', 'city'] })
  world.on('progress', () => {
    hasCopied = true
  })
  const client = new pg.Client(connection)
  await client.connect()
  const { rows } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
  await world.waitFor(rows[0].lsn)
  line(
    'caught up',
    hasCopied ? 'by copying again' : 'from the stream, without a new copy',
    performance.now() - caughtUp,
  )
  const report = await world.verify()
  line('verify() against Postgres', report.isSame ? 'every row equal' : 'rows differ')
  const { problems } = db.check()
  line('db.check()', problems.length === 0 ? 'every invariant holds' : 'broken')
  if (!report.isSame || problems.length > 0) throw new Error(`This is a bug: ${problems[0] ?? 'the rows differ'}.`)
  await client.end()
  await world.close()
  await db.close()
}

function medianOf(rounds: number, operations: number, read: (i: number) => number): number {
  const samples: number[] = []
  let total = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    for (let i = 0; i < operations; i++) total += read(round * operations + i)
    samples.push((performance.now() - start) / operations)
  }
  if (Number.isNaN(total)) throw new Error('a read went wrong')
  return median(samples)
}

async function medianOfAsync(
  rounds: number,
  operations: number,
  read: (i: number) => Promise<number>,
): Promise<number> {
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    for (let i = 0; i < operations; i++) await read(round * operations + i)
    samples.push((performance.now() - start) / operations)
  }
  return median(samples)
}
