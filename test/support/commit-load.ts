import type { Store } from '../../src/db/store'
import type { Transaction } from '../../src/db/transaction'
import { seeded } from './random'

/** Rows that every commit marks with its version. */
export const MARKS = 50

/** Commits in every way there is, for ever; tells each version once its commit has been acknowledged. */
export async function commitForever(store: Store, seed: number, acknowledge: (version: number) => void): Promise<void> {
  const random = seeded(seed)
  for (;;) {
    const luck = random()
    if (luck < 0.5) {
      const version = store.write((tx) => commitOne(store, tx, random))
      acknowledge(version)
    } else if (luck < 0.98) {
      const versions = Array.from({ length: 5 }, () => store.writeAsync((tx) => commitOne(store, tx, random)))
      for (const version of await Promise.all(versions)) acknowledge(version)
    } else await store.checkpoint()
  }
}

/** Adds a row for the commit, and marks with its version some rows that every commit changes. Returns that version. */
function commitOne(store: Store, tx: Transaction, random: () => number): number {
  const version = store.version + 1
  if (!store.tableNames.includes('commits')) {
    tx.createTable('commits', { key: 'version', columns: { version: 'integer', text: 'string' } })
    tx.createTable('marks', { key: 'id', columns: { id: 'integer', version: 'integer' } })
  }
  tx.insert('commits', { version, text: textOf(version, Math.floor(random() ** 4 * 5000)) })
  for (let id = 0; id < MARKS; id++) tx.upsert('marks', { id, version })
  return version
}

/** What a commit writes into its row. */
export function textOf(version: number, repeats: number): string {
  return `commit ${version} `.repeat(repeats + 1)
}
