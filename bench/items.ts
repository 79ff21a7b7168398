import { STATUSES } from './data'

/** A row with five columns that it is looked up by, beside its key: what writing it costs is keeping the indexes. */
export type Item = {
  id: number
  customer: number
  amount: number
  status: string
  pieces: number
  note: string
}

export const INDEXED = {
  customer: 'integer',
  amount: 'number',
  status: 'string',
  pieces: 'integer',
  note: 'string',
} as const

/**
 * The same rows and changes in every run: what row `id` holds once change number `change` has given all columns new
 * values.
 */
export function itemAt(id: number, change = 0): Item {
  return {
    id,
    customer: (id * 7919 + change * 104_729) % 50_000,
    amount: ((id + change * 31) % 9973) + 0.25,
    status: STATUSES[(id + change) % STATUSES.length],
    pieces: (id + change * 7) % 1000,
    note: `item ${id}, change ${change}`,
  }
}

export function* itemsUpTo(rows: number): Generator<Item> {
  for (let id = 0; id < rows; id++) yield itemAt(id)
}

/** Of so many rows the keys of as many as can be compared in a moment. */
export function someIds(rows: number): number[] {
  const step = Math.ceil(rows / 100_000)
  return Array.from({ length: Math.floor(rows / step) }, (_, i) => i * step)
}

/** One number that depends on every value of these rows (FNV-1a; G. Fowler, L. C. Noll, K.-P. Vo, 1991). */
export function digest(itemOf: (id: number) => Item, ids: Iterable<number>): number {
  let hash = 0x811c9dc5
  for (const id of ids) {
    const { customer, amount, status, pieces, note } = itemOf(id)
    const text = `${customer} ${amount} ${status} ${pieces} ${note}`
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}
