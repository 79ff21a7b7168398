import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { open } from '../src/index'
import { type MirrorOptions, mirror } from '../src/postgres'
import { diskFolder } from './folders'

/**
 * The file that this module is bundled into: what the mirroring process runs, with the options of its mirror as
 * argument.
 */
const program = import.meta.filename

/** A process that mirrors tables. */
export interface MirrorProcess {
  readonly pid: number
  /** Resolves when it shows everything that the server had committed at the call: the answer of `SELECT` over it. */
  sumOf(table: string, column: string, lsn: string): Promise<number>
  /** Removes what the mirror has made on the server. */
  end(): Promise<void>
}

/** Starts one. Resolves when its mirror is live. */
export async function startMirror(options: MirrorOptions): Promise<MirrorProcess> {
  const child = fork(program, ['mirror', JSON.stringify(options)])
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The mirroring process ended with ${code}.`)
  })
  exited.catch(() => undefined)
  await Promise.race([once(child, 'message'), exited])
  return {
    pid: child.pid!,
    async sumOf(table, column, lsn) {
      const answered = once(child, 'message')
      child.send({ table, column, lsn })
      const [sum] = await Promise.race([answered, exited])
      return sum
    },
    async end() {
      child.disconnect()
      await exited.catch(() => undefined)
    },
  }
}

if (process.argv[1] === program && process.argv[2] === 'mirror') {
  const options: MirrorOptions = JSON.parse(process.argv[3])
  const db = await open(join(diskFolder(), 'mirror.heap'))
  const following = await mirror(db, options)
  await following.ready
  process.send!('ready')
  process.on('message', async ({ table, column, lsn }: { table: string; column: string; lsn: string }) => {
    await following.waitFor(lsn, { timeoutMs: 60_000 })
    let sum = 0
    for (const row of db.table(table).rows()) sum += db.table(table).column(column).number(row)
    process.send!(sum)
  })
  process.on('disconnect', async () => {
    await following.close({ dropSlot: true })
    await db.close()
    process.exit()
  })
}
