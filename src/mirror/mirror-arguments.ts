import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'
import { BOOLEAN, DURATION_MS, ensure, ensureOptions, isRecord, NAME, type Rule, SIZE_BYTES, show } from '../arguments'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import { ensureConnectionString } from './connection-string'
import type { MirrorOptions, WaitOptions } from './mirror-options'
import { knownSlots } from './state'

const LONGEST_SLOT_NAME = 55
const SUFFIX_LENGTH = 8

const DATABASE: Rule = [
  (value) => isRecord(value) && typeof (value as Partial<Store>).bulkWrite === 'function',
  'what open has returned',
]
const SLOT: Rule = [
  (value) => typeof value === 'string' && /^[a-z0-9_]+$/.test(value) && value.length <= LONGEST_SLOT_NAME,
  `up to ${LONGEST_SLOT_NAME} lower-case letters, digits and underscores`,
]
/** What comes meanwhile stays in the buffers of the kernel. */
const LONGEST_APPLY_MS = 50
const APPLY_INTERVAL_MS: Rule = [
  (value) => typeof value === 'number' && value >= 0 && value <= LONGEST_APPLY_MS,
  `a number of milliseconds from 0 to ${LONGEST_APPLY_MS}`,
]
const OPTION_RULES: Readonly<Record<keyof MirrorOptions, Rule>> = {
  connection: [
    (value) => (typeof value === 'string' && value !== '') || isRecord(value),
    'a URL like "postgres://localhost/shop", or the configuration object of the pg package',
  ],
  tables: [
    (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
    'an array of names as in SQL: { connection, tables: ["quote"] }',
  ],
  slot: SLOT,
  publication: NAME,
  syncIntervalMs: DURATION_MS,
  applyIntervalMs: APPLY_INTERVAL_MS,
  checkIntervalMs: DURATION_MS,
  ddlTrigger: BOOLEAN,
  verifyIntervalMs: DURATION_MS,
  maxRetainedBytes: SIZE_BYTES,
  failover: BOOLEAN,
}
const WAIT_RULES: Readonly<Record<keyof WaitOptions, Rule>> = {
  timeoutMs: DURATION_MS,
  tables: [
    (value) => Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string'),
    'an array of one or more names of mirrored tables: { tables: ["quote"] }',
  ],
}
const REQUIRED = ['connection', 'tables'] as const

/** Throws `INVALID_ARGUMENT`, `READ_ONLY`. */
export function ensureMirrorable(db: Store, options: MirrorOptions): void {
  ensure('mirror()', db, DATABASE)
  if (db.isReadOnly) {
    throw new SnapheapError(
      'READ_ONLY',
      'The database is open for reading only. Open it without readOnly to mirror into it.',
    )
  }
  ensureOptions('mirror()', options, OPTION_RULES)
  for (const name of REQUIRED)
    ensure('mirror()', options[name], [OPTION_RULES[name][0], `${OPTION_RULES[name][1]} as option "${name}"`])
  if (typeof options.connection === 'string') ensureConnectionString(options.connection)
  if (options.failover === true && db.path === undefined) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      'A database in memory has a slot that goes with its connection. Leave failover out, or mirror into a file.',
    )
  }
}

/** Throws `INVALID_ARGUMENT`; `NOT_FOUND` for a table that is not among the `mirrored`. */
export function ensureWaitOptions(called: string, options: WaitOptions, mirrored: ReadonlySet<string>): void {
  ensureOptions(called, options, WAIT_RULES)
  const table = options.tables?.find((name) => !mirrored.has(name))
  if (table === undefined) return
  const names = [...mirrored].map(show).join(', ')
  const message = `${called} expects names of mirrored tables, got ${show(table)}. Mirrored are ${names}.`
  throw new SnapheapError('NOT_FOUND', message, { table })
}

/**
 * The one slot that the database is mirrored with already; else made of what is mirrored and where to, so that it is
 * another one for every file, and the same whenever this is asked. Throws `INVALID_ARGUMENT`, `POSTGRES`.
 */
export async function defaultSlot(db: Store, connection: ConnectionOptions): Promise<string> {
  const known = knownSlots(db)
  if (known.length === 1) return known[0]!
  if (known.length > 1) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The database has mirrors with several slots. Name one as slot: ${known.join(', ')}.`,
    )
  }
  const client = await connect(connection, 'query')
  try {
    const [row] = await queryRows<{ name: string }>(
      client,
      'reading the database name failed',
      'SELECT current_database() AS name',
    )
    const file = db.path === undefined ? 'memory' : basename(db.path).replace(/\.[^.]*$/, '')
    const names = `snapheap_${row!.name}_${file}`.toLowerCase().replace(/[^a-z0-9_]/g, '_')
    const suffix = db.path === undefined ? randomUUID().slice(0, SUFFIX_LENGTH) : placeOf(db.path)
    return `${names.slice(0, LONGEST_SLOT_NAME - SUFFIX_LENGTH - 1)}_${suffix}`
  } finally {
    await disconnect(client)
  }
}

/** Tells files of one name apart: on which machine it is, and where there. */
function placeOf(path: string): string {
  return createHash('sha256')
    .update(`${hostname()} ${resolve(path)}`)
    .digest('hex')
    .slice(0, SUFFIX_LENGTH)
}
