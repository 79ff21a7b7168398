import { createHash } from 'node:crypto'
import type { Store } from '../../../src/db/store'
import { BLOCK_BYTES, BLOCK_SHIFT, ZERO_BLOCK } from '../../../src/heap/layout'

/** A digest of every block of the newest version, by its place in the heap. The store must have the table `t`. */
export function heapDigest(store: Store): string {
  const { view } = store.table('t').context
  const hash = createHash('sha256')
  for (let block = 0; block < view.table.length; block++) {
    if (view.table[block] === ZERO_BLOCK) continue
    const address = block << BLOCK_SHIFT
    const start = view.indexOf(address) * 8
    hash.update(`${block}:`).update(view.bytes[view.slotOf(address)].subarray(start, start + BLOCK_BYTES))
  }
  return hash.digest('hex')
}
