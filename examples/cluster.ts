// An HTTP service: one process mirrors two tables of the Postgres at DATABASE_URL into a file, workers answer from it.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { Column, Entity, Id, open, Ref } from 'snapheap'
import { mirror } from 'snapheap/postgres'

@Entity()
class Customer {
  @Id() id!: number
  @Column() name!: string
}

@Entity()
class Quote {
  @Id() id!: number
  @Column() status!: string
  @Ref(() => Customer) customer!: Customer
}

if (cluster.isWorker) {
  const db = await open(process.env.SHOP!, { entities: [Customer, Quote], follow: true }) // a mapping of its own
  createServer(async (request, response) => {
    const [, id = 0, version = 0] = /^\/(\d{1,9})\/?(\d*)$/.exec(request.url!) ?? []
    await db.following!.waitFor(Number(version)).catch(() => (response.statusCode = 504))
    const quote = db.get(Quote, Number(id))
    response.setHeader('connection', 'close') // so that the next request goes to the next worker
    response.end(`worker ${cluster.worker!.id}: ${quote?.status}, ${quote?.customer.name}`)
  }).listen(Number(process.env.PORT ?? 0), '127.0.0.1')
} else {
  const folder = mkdtempSync(join(tmpdir(), 'shop-'))
  const postgres = new pg.Pool({ connectionString: process.env.DATABASE_URL })
  await postgres.query(`CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE quote (id int PRIMARY KEY, status text NOT NULL, customer int NOT NULL REFERENCES customer);
    INSERT INTO customer VALUES (1, 'Ada'); INSERT INTO quote VALUES (10, 'open', 1)`)
  const db = await open(join(folder, 'shop.heap'))
  const shop = await mirror(db, { connection: process.env.DATABASE_URL!, tables: ['customer', 'quote'] })
  await shop.ready.then(() => db.sync()) // followers show what is on the device
  const workers = [1, 2].map(() => cluster.fork({ SHOP: db.path }))
  const [[{ port }]] = await Promise.all(workers.map((worker) => once(worker, 'listening')))
  const ask = async (what: string) => (await fetch(`http://127.0.0.1:${port}/${what}`)).text()
  console.log([await ask('10'), await ask('10')].sort())

  await postgres.query(`UPDATE quote SET status = 'sold' WHERE id = 10`)
  await shop.waitFor((await postgres.query('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0].lsn)
  console.log([await ask(`10/${db.version}`), await ask(`10/${db.version}`)].sort()) // once they have this version

  if (process.env.PORT !== undefined) await once(process, 'SIGTERM') // a service goes on until it is told to end
  await Promise.all(workers.map((worker) => once(worker.disconnect(), 'exit')))
  await Promise.all([shop.close({ dropSlot: true }), postgres.end()])
  await db.close()
  rmSync(folder, { recursive: true })
}
// Prints:
// [ 'worker 1: open, Ada', 'worker 2: open, Ada' ]
// [ 'worker 1: sold, Ada', 'worker 2: sold, Ada' ]
