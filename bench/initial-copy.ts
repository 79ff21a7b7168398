import { open } from '../src/index'
import { connect } from '../src/mirror/connection'
import { CopyChannel } from '../src/mirror/copy-channel'
import { mirror } from '../src/postgres'
import type { ServerConnection } from '../test/support/postgres'
import { clientOf, serverWithOrders } from './data'
import { type Apart, once } from './harness'

/** Copied before, uncounted: what a process does once, at its start, it does before its loops are compiled. */
const ROWS_BEFORE = 300_000

/**
 * Copying a table of one server into a heap, every column indexed, next to reading `COPY TO STDOUT` and throwing it
 * away.
 */
export const task: Apart = {
  rows: 1_000_000,
  contenders(rows) {
    const share = once(() => server(rows))
    const trial = (copy: (connection: ServerConnection, table: string) => Promise<number>) => ({
      share,
      async measure(connection: unknown) {
        await copy(connection as ServerConnection, 'orders_before')
        const tookMs = await copy(connection as ServerConnection, 'orders')
        return { figures: { perSecond: rows / (tookMs / 1000) } }
      },
    })
    return {
      snapheap: trial(async (connection, table) => {
        const db = await open()
        const start = performance.now()
        const shop = await mirror(db, { connection, tables: [table], slot: `${table}_${process.pid}` })
        await shop.ready
        const took = performance.now() - start
        const expected = table === 'orders' ? rows : Math.min(rows, ROWS_BEFORE)
        if (db.table(table).rowCount !== expected) throw new Error('Rows are missing.')
        await shop.close()
        await db.close()
        return took
      }),
      'copy-to-stdout': trial(readAndDiscard),
    }
  },
}

async function server(rows: number): Promise<ServerConnection> {
  const connection = await serverWithOrders(rows)
  const client = await clientOf(connection)
  await client.query('CREATE TABLE orders_before (LIKE orders INCLUDING ALL)')
  await client.query('INSERT INTO orders_before SELECT * FROM orders WHERE id < $1', [ROWS_BEFORE])
  await client.end()
  return connection
}

/** Milliseconds to read the whole table by COPY, parsing nothing. */
async function readAndDiscard(connection: ServerConnection, table: string): Promise<number> {
  const client = await connect(connection, 'query')
  const start = performance.now()
  let bytes = 0
  const channel = new CopyChannel(`COPY ${table} TO STDOUT`, 'reading failed', {
    onData: (_, from, to) => {
      bytes += to - from
    },
  })
  client.query(channel)
  await channel.done
  const took = performance.now() - start
  await client.end()
  if (bytes === 0) throw new Error('nothing was copied')
  return took
}
