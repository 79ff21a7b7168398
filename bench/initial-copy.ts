import { open } from '../src/index'
import { connect } from '../src/mirror/connection'
import { CopyChannel } from '../src/mirror/copy-channel'
import { mirror } from '../src/postgres'
import type { ServerConnection } from '../test/support/postgres'
import { postgresWithOrders } from './data'
import { median, type Result } from './harness'
import type { Task } from './run'

/** Copying a table into a heap, every column indexed, next to reading `COPY TO STDOUT` and throwing it away. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const { connection } = await postgresWithOrders(rows)
    const mirrored: number[] = []
    const discarded: number[] = []
    for (let round = 0; round < 4; round++) {
      const read = await readAndDiscard(connection)
      const db = await open()
      const start = performance.now()
      const shop = await mirror(db, { connection, tables: ['orders'], slot: `bench_${round}` })
      await shop.ready
      const took = performance.now() - start
      if (db.table('orders').rowCount !== rows) throw new Error('rows are missing')
      await shop.close()
      await db.close()
      if (round === 0) continue
      mirrored.push(took)
      discarded.push(read)
    }
    const perSecond = (took: readonly number[]): Result => ({ perSecond: Math.round(rows / (median(took) / 1000)) })
    return { snapheap: perSecond(mirrored), 'copy-to-stdout': perSecond(discarded) }
  },
}

/** Milliseconds to read the whole table by COPY, parsing nothing. */
async function readAndDiscard(connection: ServerConnection): Promise<number> {
  const client = await connect(connection, 'query')
  const start = performance.now()
  let bytes = 0
  const channel = new CopyChannel('COPY orders TO STDOUT', 'reading failed', {
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
