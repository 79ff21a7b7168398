// Prints what the main operations cost, in counts: node --expose-gc --min-semi-space-size=64 --max-semi-space-size=64
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Column, type Database, Entity, Id, open, Parameter, Ref } from 'snapheap'
import { loadNativeMemory } from '../../src/heap/native-memory'

@Entity()
class Customer {
  @Id() declare id: number
  @Column({ type: 'string' }) declare name: string
}

@Entity()
class Orders {
  @Id() declare id: number
  @Ref(() => Customer) declare customer: Customer
  @Column({ type: 'number' }) declare amount: number
  @Column({ type: 'string' }) declare status: string
  @Column({ type: 'integer', index: 'ordered' }) declare pieces: number
  @Column({ type: 'string' }) declare note: string
}

const ROWS = 100_000
const CUSTOMERS = 5_000
const OPERATIONS = 50_000
const ROUNDS = 5
const BLOCK_BYTES = 32_768
const STATUSES = ['open', 'paid', 'packed', 'shipped', 'delivered', 'returned']

/** Where results go, so that the engine cannot leave out making them. */
const used: { total: number; last: unknown } = { total: 0.5, last: undefined }

let nativeCalls = 0
let loops = 0

/** The same object with every function of it, and of what it holds, counted. */
function counted<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name, object) as unknown
      if (typeof value === 'object' && value !== null) return counted(value)
      if (typeof value !== 'function') return value
      return (...values: unknown[]) => {
        nativeCalls++
        return value.apply(object, values)
      }
    },
  })
}

const textOf = Buffer.prototype.toString
Buffer.prototype.toString = function (...values: Parameters<typeof textOf>) {
  nativeCalls++
  return textOf.apply(this, values)
}

const orderAt = (id: number, change = 0) => ({
  id,
  customer: (id * 7919 + change) % CUSTOMERS,
  amount: ((id + change * 31) % 9973) + 0.25,
  status: STATUSES[(id + change) % STATUSES.length],
  pieces: (id + change * 7) % 1000,
  note: `order ${id}, change ${change}`,
})

function fill(db: Database): void {
  db.write((tx) => {
    tx.insertMany(
      'customer',
      Array.from({ length: CUSTOMERS }, (_, id) => ({ id, name: `customer ${id % 50}` })),
    )
    for (let from = 0; from < ROWS; from += 10_000) {
      tx.insertMany(
        'orders',
        Array.from({ length: 10_000 }, (_, i) => orderAt(from + i)),
      )
    }
  })
}

/**
 * Native calls and bytes of JavaScript's heap for each of many operations, once the engine has optimized them. Each is
 * run by a loop of its own, as in a program: one that all share is told numbers in boxes of 16 bytes.
 */
function costOf(operation: (i: number) => unknown): { nativeCalls: number; heapBytes: number } {
  const loop = `return () => { // of its own by this number: ${loops++}
      for (let i = 0; i < ${OPERATIONS}; i++) {
        const value = operation((i * 7919) % ${ROWS})
        if (typeof value === 'number') used.total += value
        else used.last = value
      }
    }`
  const run = new Function('operation', 'used', loop)(operation, used) as () => void
  for (let round = 0; round < 6; round++) run()
  nativeCalls = 0
  let heapBytes = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    global.gc!()
    const before = process.memoryUsage().heapUsed
    run()
    heapBytes = Math.min(heapBytes, process.memoryUsage().heapUsed - before) // the engine's own work comes and goes
  }
  return {
    nativeCalls: nativeCalls / OPERATIONS / ROUNDS,
    heapBytes: Math.max(0, Math.round(heapBytes / OPERATIONS)),
  }
}

async function reads(): Promise<object> {
  const db = await open(undefined, { entities: [Customer, Orders], memory: counted(loadNativeMemory()!) })
  fill(db)
  const table = db.table('orders')
  const [amount, status] = [table.column('amount'), table.column('status')]
  const snapshot = db.snapshot()
  const snapshotAmount = snapshot.table('orders').column('amount')
  const ofCustomer = db.query(Orders).where({ customer: new Parameter('customer') })
  const amounts = ofCustomer.values('amount')
  const prepared = ofCustomer.query()
  const result = {
    'a number by row': costOf((id) => amount.number(id)),
    'a number by row, of a snapshot': costOf((id) => snapshotAmount.number(id)),
    'any value by row: a number': costOf((id) => amount.get(id)),
    'any value by row: one of a few strings': costOf((id) => status.get(id)),
    'a row by key': costOf((id) => table.rowOf(id)),
    'the 20 rows with a value': costOf((id) => table.findRows({ customer: id % CUSTOMERS })),
    'a property by key': costOf((id) => db.get(Orders, id)!.amount),
    'a property of an object referred to': costOf((id) => db.get(Orders, id)!.customer.name),
    '20 objects by a value': costOf((id) => db.find(Orders, { customer: id % CUSTOMERS })),
    'one property of 20 rows': costOf((id) => amounts.with({ customer: id % CUSTOMERS }).collect()),
    'whether rows exist': costOf((id) => prepared.with({ customer: id % CUSTOMERS }).exists()),
    'how many rows there are': costOf((id) => prepared.with({ customer: id % CUSTOMERS }).count()),
  }
  snapshot.close()
  await db.close()
  return result
}

async function writes(folder: string): Promise<object> {
  const updates = 2000
  const path = join(folder, 'orders.heap')
  const durability = { intervalMs: 2 ** 31 - 1, intervalBytes: 2 ** 31 - 1 }
  const db = await open(path, { entities: [Customer, Orders], durability })
  fill(db)
  await db.checkpoint()
  const logged = (): number => db.stats().log!.bytesSinceCheckpoint
  const change = (each: number, change: number): void => {
    const row = orderAt((each * 7919) % ROWS, change)
    db.write((tx) => tx.update('orders', row.id, row))
  }
  const before = logged()
  for (let i = 0; i < updates; i++) change(i, 1)
  const logBytes = (logged() - before) / updates
  const heapBytes = heapBytesOf(db)
  let copiedBlocks = 0
  for (let i = 0; i < 200; i++) {
    using _pinned = db.snapshot()
    change(i, 2)
    copiedBlocks += db.stats().retainedBytes / BLOCK_BYTES
  }
  const insertedBefore = logged()
  db.write((tx) => {
    for (let i = 0; i < 1000; i++) tx.insert('orders', orderAt(ROWS + i))
  })
  const result = {
    'log bytes of a row updated in five indexed columns': Math.round(logBytes),
    "bytes of JavaScript's heap for it": heapBytes,
    'blocks copied for it under a snapshot': Math.round((copiedBlocks / 200) * 10) / 10,
    'log bytes of a row inserted with 999 others': Math.round((logged() - insertedBefore) / 1000),
  }
  await db.close()
  return result
}

/**
 * Bytes of JavaScript's heap for a row updated in five indexed columns, without the row given, once the engine has
 * optimized it.
 */
function heapBytesOf(db: Database): number {
  const updates = 500
  const rounds: number[] = []
  for (let round = 0; round < 10; round++) {
    const rows = Array.from({ length: updates }, (_, i) => orderAt((i * 7919) % ROWS, 3 + round))
    global.gc!()
    const before = process.memoryUsage().heapUsed
    for (const row of rows) db.write((tx) => tx.update('orders', row.id, row))
    rounds.push(process.memoryUsage().heapUsed - before)
  }
  return Math.round(Math.min(...rounds) / updates)
}

async function space(): Promise<object> {
  const rows = 200_000
  const columns = { id: 'integer', a: 'number', b: 'number', c: 'integer', d: 'integer' } as const
  const db = await open()
  global.gc!()
  const before = process.memoryUsage().heapUsed
  db.write((tx) => {
    tx.createTable('numbers', { key: 'id', columns })
    for (let id = 0; id < rows; id++) {
      tx.insert('numbers', { id, a: id * 1.5, b: (id * 7919) % rows, c: id % 1000, d: rows - id })
    }
  })
  global.gc!()
  const heapBytes = (process.memoryUsage().heapUsed - before) * (1_000_000 / rows)
  const values = rows * Object.keys(columns).length
  const result = {
    "kilobytes of JavaScript's heap for a million rows": Math.max(0, Math.round(heapBytes / 1000)),
    'bytes of an indexed number': Math.round((db.stats().usedBytes / values) * 10) / 10,
    'bytes of it with what is free': Math.round(((db.stats().usedBytes + db.stats().freeBytes) / values) * 10) / 10,
  }
  await db.close()
  return result
}

const folder = mkdtempSync(join(tmpdir(), 'snapheap-costs-'))
try {
  process.stdout.write(JSON.stringify({ reads: await reads(), writes: await writes(folder), space: await space() }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
