import { orderAt } from './data'
import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'
import { Orders, productOf, snapheapShop, sqliteShop } from './shop'

const COUNT = 1000

/** 1,000 objects by random keys, made and read: three properties of each. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const ids = randomIntegers(1 << 18, rows)
    const mask = ids.length - 1
    const db = await snapheapShop(rows)
    const sqlite = sqliteShop(rows)
    type Plain = { id: number; customer: number; product: number; amount: number; status: string }
    const map = new Map<number, Plain>()
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      map.set(id, { id, customer, product: productOf(id), amount, status })
    }
    const select = sqlite.prepare<[number], Plain>('SELECT * FROM orders WHERE id = ?')
    type Some = { id: number; amount: number; status: string }
    const add = (n: number, get: (id: number) => Some): number => {
      let total = 0
      for (let i = 0; i < n; i++) {
        const objects: Some[] = []
        for (let k = 0; k < COUNT; k++) objects.push(get(ids[(i * COUNT + k) & mask]))
        for (const { id, amount, status } of objects) total += id + amount + status.length
      }
      return total
    }
    const contenders: Contender[] = [
      { name: 'snapheap', operations: 1 << 7, run: (n) => add(n, (id) => db.get(Orders, id)!) },
      { name: 'map', operations: 1 << 7, run: (n) => add(n, (id) => map.get(id)!) },
      { name: 'better-sqlite3', operations: 1 << 4, run: (n) => add(n, (id) => select.get(id)!) },
    ]
    await agree(contenders, 16)
    return race(contenders)
  },
}
