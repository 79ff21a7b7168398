// npm run demo: a real Postgres, its tables mirrored into a process, and what that is worth. Ends by itself.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startPostgres } from '../../test/support/postgres'
import { loadWorld } from './data'
import { line, title } from './report'

const folder = mkdtempSync(join(tmpdir(), 'snapheap-demo-'))
const children = new Set<ChildProcess>()

title('A real Postgres server')
const server = await startPostgres()
let isOver = false
async function cleanUp(): Promise<void> {
  if (isOver) return
  isOver = true
  for (const child of children) child.kill('SIGKILL')
  await server.close()
  rmSync(folder, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void cleanUp().then(() => process.exit(130))
  })
}

try {
  const client = new pg.Client(server.connection)
  client.on('error', () => undefined)
  await client.connect()
  const start = performance.now()
  const world = await loadWorld(client)
  const { rows } = await client.query('SHOW server_version')
  line(
    `Postgres ${rows[0].server_version}`,
    `${world.cities.toLocaleString('en')} cities of ${world.countries} countries (GeoNames)`,
    performance.now() - start,
  )

  const service = startService('first')
  await stageOf(service)

  title('The process is killed, and started again')
  service.kill('SIGKILL')
  await once(service, 'exit')
  const changed = await client.query('UPDATE city SET population = population + 1 WHERE id % 100 = 0')
  await client.query(`INSERT INTO country VALUES ('XS', 'Snapland', 'EU', 'Heap')`)
  const deleted = await client.query(`DELETE FROM city WHERE population < 1010 AND country = 'US'`)
  line('changed meanwhile', `${changed.rowCount} rows updated, 1 inserted, ${deleted.rowCount} deleted`)
  await stageOf(startService('again'))
  await client.end()
} finally {
  await cleanUp()
}
process.exit(0)

function startService(stage: 'first' | 'again'): ChildProcess {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const runner = join(root, 'scripts', 'run-bundled.mjs')
  const child = fork(runner, [join(root, 'examples', 'demo', 'service.ts'), stage, join(folder, 'world.heap')], {
    env: { ...process.env, DEMO_CONNECTION: JSON.stringify(server.connection) },
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Waits until the service has shown its stage. */
async function stageOf(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`The service ended early (${code}); see above.`)
  })
  await Promise.race([once(child, 'message'), ended])
  ended.catch(() => undefined)
}
