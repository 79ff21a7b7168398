import { TABLE } from './layout'
import type { Table } from './table'

/**
 * Drops from the first `count` numbers of `rows`, all of them from `from` to before `to`, those that no row has.
 * Returns how many are left. `from` is a multiple of 64. Where every row of the range exists, which a look at the
 * presence bits shows, no number is looked at.
 */
export function keepExisting(table: Table, rows: Int32Array, count: number, from: number, to: number): number {
  if (isFull(table, from, to)) return count
  let kept = 0
  for (let i = 0; i < count; i++) {
    const row = rows[i]
    if (table.hasRow(row)) rows[kept++] = row
  }
  return kept
}

function isFull({ context, descriptor }: Table, from: number, to: number): boolean {
  const { view } = context
  const base = view.low(descriptor + TABLE.presence) >>> 0
  if (base === 0) return false
  let row = from
  for (; row + 64 <= to; row += 64) {
    const address = base + (row >>> 6)
    if ((view.low(address) & view.high(address)) !== -1) return false
  }
  return row === to
}
