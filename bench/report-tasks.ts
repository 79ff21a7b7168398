/** What each task measures, in the order of the report. */
export const TASKS: Record<string, string> = {
  'point-read': 'One column of a random row by its key',
  'index-lookup': 'All rows with a random value, 20: their keys',
  lookup: 'All orders of a customer, 20: two properties of each',
  range: '1,000 rows in the order of a column: two columns of each',
  join: 'The prices of about 1,000 products, over three classes',
  request: 'A request of 300 small look-ups',
  entity: '1,000 objects by key: three properties of each',
  hydrate: '1,000 objects by key, out of more than the caches hold: four properties of each',
  'filter-scan': 'How many of all rows fit two conditions that no index answers',
  group: 'Sums over all rows by a column of six texts, and by one of 50,000 numbers',
  commit: 'One row updated, five indexed columns',
  batch: '1,000 rows a transaction, not synced',
  bulk: 'Rows with five indexes into a new file',
  'initial-copy': 'A table of Postgres copied, every column indexed',
  follow: 'A commit in Postgres until it is visible; a backlog drained',
  'mirror-cost': 'Transactions of pgbench at half of the rate that the server can do, with a mirror and without',
  recover: 'Opening after a crash: logged transactions done again',
  checkpoint: 'Changed blocks into the file',
  'follow-local': 'A commit until another thread or process sees it',
  readers: 'Processes that read beside each other',
  open: 'Opening a file, and its first value',
  save: 'A whole file, and one after few changes',
  memory: 'Bytes of an indexed number',
  gc: 'A minute of reads and writes over 100 M values',
}

/** A task measured at several numbers of rows. */
interface Growth {
  sizes: readonly number[]
  /** Those whose growth tells something, and whose set-up does not take longer than all the others'. */
  contenders: readonly string[]
  /** What is different at some size. */
  note?: string
}

const UP_TO_10_M = [10_000, 1_000_000, 10_000_000]
const UP_TO_100_M = [...UP_TO_10_M, 100_000_000]

export const GROWTH: Record<string, Growth> = {
  'point-read': {
    sizes: UP_TO_100_M,
    contenders: [
      'raw',
      'raw-chain',
      'snapheap-column',
      'snapheap-column-chain',
      'snapheap-property',
      'map',
      'better-sqlite3',
    ],
    note: 'Beyond 10,000,000 rows snapheap has nothing but the key and the column that is read.',
  },
  'index-lookup': { sizes: UP_TO_10_M, contenders: ['snapheap', 'map', 'better-sqlite3'] },
  lookup: { sizes: UP_TO_10_M, contenders: ['snapheap', 'map', 'better-sqlite3'] },
  range: { sizes: UP_TO_10_M, contenders: ['snapheap', 'map', 'better-sqlite3'] },
  'filter-scan': { sizes: UP_TO_100_M, contenders: ['snapheap', 'better-sqlite3', 'duckdb'] },
  group: { sizes: UP_TO_10_M, contenders: ['snapheap', 'better-sqlite3', 'duckdb'] },
  commit: { sizes: UP_TO_10_M, contenders: ['snapheap-none', 'better-sqlite3-none'] },
  batch: { sizes: UP_TO_10_M, contenders: ['snapheap', 'better-sqlite3'] },
  bulk: { sizes: UP_TO_10_M, contenders: ['snapheap', 'better-sqlite3'] },
  'initial-copy': { sizes: UP_TO_10_M, contenders: ['snapheap', 'copy-to-stdout'] },
}

/**
 * What is measured on each version of Node, on rows that the caches hold: what differs is the code that its engine
 * makes.
 */
export const ON_NODES = {
  task: 'point-read',
  rows: 10_000,
  contenders: ['raw', 'snapheap-column', 'snapheap-property'],
}
