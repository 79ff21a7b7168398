import type { Store } from '../db/store'
import { SnapheapError } from '../errors'

/** The slots that mirrors of this process have open, by the database they mirror into. */
const open = new WeakMap<Store, Set<string>>()

/** Throws `BUSY` if a mirror with this slot is open already. */
export function ensureNotMirrored(store: Store, slot: string): void {
  if (open.get(store)?.has(slot) !== true) return
  throw new SnapheapError(
    'BUSY',
    `The database has a mirror with slot "${slot}" open already. Close that one, name its tables too, or name ` +
      'another slot for others.',
    { slot },
  )
}

export function markMirrored(store: Store, slot: string): void {
  const slots = open.get(store)
  if (slots === undefined) open.set(store, new Set([slot]))
  else slots.add(slot)
}

export function leaveMirrored(store: Store, slot: string): void {
  open.get(store)?.delete(slot)
}
