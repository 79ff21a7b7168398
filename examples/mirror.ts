// Two tables of the Postgres at DATABASE_URL, mirrored into this process and read through classes.
import pg from 'pg'
import { Column, Entity, Id, open, Ref } from 'snapheap'
import { mirror } from 'snapheap/postgres'

@Entity()
class Customer {
  @Id() id!: number
  @Column({ type: 'string', nullable: true }) name!: string | null
}

@Entity()
class Quote {
  @Id() id!: number
  @Column({ type: 'string', nullable: true }) status!: string | null
  @Ref(() => Customer, { nullable: true }) customer!: Customer | null
}

const connection = process.env.DATABASE_URL!
const client = new pg.Client(connection)
await client.connect()
await client.query(`CREATE TABLE customer (id int PRIMARY KEY, name text); INSERT INTO customer VALUES (1, 'Ada');
  CREATE TABLE quote (id int PRIMARY KEY, status text, customer int REFERENCES customer);
  INSERT INTO quote VALUES (10, 'open', 1), (11, 'sold', 1), (12, 'open', NULL)`)

const db = await open(undefined, { entities: [Customer, Quote] })
const shop = await mirror(db, { connection, tables: ['customer', 'quote'] })
await shop.ready // both tables are copied, at one place in the server's log
console.log(db.get(Quote, 10)?.customer?.name, db.find(Quote, { status: 'open' }).length)

await client.query(`UPDATE quote SET status = 'sold' WHERE id = 10`)
const { rows } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
await shop.waitFor(rows[0].lsn) // reads what was written above
console.log(db.get(Quote, 10)?.status)
await Promise.all([shop.close({ dropSlot: true }), client.end()])
await db.close()
// Prints:
// Ada 2
// sold
