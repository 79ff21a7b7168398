import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, SnapheapError, Timestamp } from 'snapheap'
import { Customer, Quote } from './by-table'

/**
 * Writes to a database in a temporary file, closes it, opens it again and reads. Throws unless it reads what it wrote,
 * and returns the kind of memory that was in use.
 */
export async function main(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-program-'))
  try {
    const path = join(folder, 'shop.heap')
    const options = { entities: [Customer, Quote] }
    const written = await open(path, options)
    written.write((tx) => {
      const customer = tx.insert(Customer, { id: 1, name: 'Ada' })
      tx.insert(Quote, { id: 7, amount: 12.5, made: new Timestamp(5, 250), note: null, customer })
    })
    await written.close()

    const db = await open(path, options)
    const quote = db.get(Quote, 7)
    const found = db
      .query(Quote)
      .where({ amount: { gt: 10 }, customer: { name: 'Ada' } })
      .count()
    const byJson = db.queryJson({ from: 'customer', where: { name: { $regex: '^A' } } }).count()
    const seen = [quote?.amount, quote?.made.toISOString(), quote?.note, quote?.customer.name, found, byJson]
    const isRefused = refused(() => db.write((tx) => tx.insert(Customer, { id: 1, name: 'Eve' })))
    const { memory } = db.stats()
    await db.close()

    const expected = '[12.5,"1970-01-01T00:00:00.005250Z",null,"Ada",1,1]'
    if (JSON.stringify(seen) !== expected) throw new Error(`It read ${JSON.stringify(seen)}, not ${expected}.`)
    if (!isRefused) throw new Error('A key was given to two objects.')
    return `${memory} memory`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function refused(change: () => void): boolean {
  try {
    change()
    return false
  } catch (error) {
    return error instanceof SnapheapError && error.code === 'UNIQUE'
  }
}
