import type { Snapshot } from '../../../src/db/snapshot'
import type { Store } from '../../../src/db/store'
import type { Transaction } from '../../../src/db/transaction'
import { SimulationFailure } from './history'

/** A commit that some process has tried to make, and everything that a database shows after it. */
export interface RegisteredCommit {
  /** In a row of its own: no two commits have the same. */
  readonly token: string
  readonly version: number
  readonly parent: RegisteredCommit | undefined
  readonly rows: ReadonlyMap<number, string>
}

/** A commit to be made. */
export interface RegisteredChange {
  readonly commit: RegisteredCommit
  apply(tx: Transaction): void
}

const TABLE = 'slots'
const TOKEN_ROW = 0
const SLOTS = 12

/** What a new database shows: the ancestor of every commit. */
export const EMPTY: RegisteredCommit = { token: '', version: 1, parent: undefined, rows: new Map() }

/** Every commit that was ever tried on any path of a machine: a database shows exactly one of them. */
export class CommitRegistry {
  private readonly commits = new Map<string, RegisteredCommit>([['', EMPTY]])

  constructor(private readonly random: () => number) {}

  /** A random change of what a database shows. */
  childOf(parent: RegisteredCommit): RegisteredChange {
    const { random } = this
    const token = `commit ${this.commits.size}`
    const changes = new Map<number, string | undefined>([[TOKEN_ROW, token]])
    for (let count = Math.floor(random() * 5); count > 0; count--)
      changes.set(1 + Math.floor(random() * SLOTS), random() < 0.25 ? undefined : `${token} `.repeat(this.anyLength()))
    const rows = new Map(parent.rows)
    for (const [id, text] of changes)
      if (text === undefined) rows.delete(id)
      else rows.set(id, text)
    const commit = { token, version: parent.version + 1, parent, rows }
    this.commits.set(token, commit)
    return { commit, apply: (tx) => applyTo(tx, parent === EMPTY, changes) }
  }

  /** The commit that a database shows, whole. */
  shownBy(tables: Store | Snapshot): RegisteredCommit {
    const found = rowsOf(tables)
    const token = found.get(TOKEN_ROW) ?? ''
    const commit = this.commits.get(token)
    if (commit === undefined) throw new SimulationFailure('torn', `a database shows "${token}", which no commit wrote`)
    if (tables.version !== commit.version && !(commit === EMPTY && tables.version === 0))
      throw new SimulationFailure('torn', `"${token}" is version ${commit.version}, and is shown as ${tables.version}`)
    if (found.size !== commit.rows.size)
      throw new SimulationFailure('torn', `after "${token}" there are ${found.size} rows, not ${commit.rows.size}`)
    for (const [id, text] of commit.rows)
      if (found.get(id) !== text)
        throw new SimulationFailure('torn', `after "${token}" row ${id} is "${found.get(id)?.slice(0, 20)}"`)
    return commit
  }

  private anyLength(): number {
    const luck = this.random()
    return Math.ceil(luck < 0.9 ? luck * 30 : luck * 2500)
  }
}

/** Whether `commit` is `ancestor`, or was built upon it. */
export function descends(commit: RegisteredCommit, ancestor: RegisteredCommit): boolean {
  let at: RegisteredCommit | undefined = commit
  while (at !== undefined && at.version > ancestor.version) at = at.parent
  return at === ancestor
}

/** The commit of a version that `commit` was built upon. */
export function ancestorOf(commit: RegisteredCommit, version: number): RegisteredCommit | undefined {
  let at: RegisteredCommit | undefined = commit
  while (at !== undefined && at.version > version) at = at.parent
  return at?.version === version ? at : undefined
}

function applyTo(tx: Transaction, isFirst: boolean, changes: ReadonlyMap<number, string | undefined>): void {
  if (isFirst) tx.createTable(TABLE, { key: 'id', columns: { id: 'integer', text: { type: 'string', index: false } } })
  for (const [id, text] of changes)
    if (text === undefined) tx.delete(TABLE, id)
    else tx.upsert(TABLE, { id, text })
}

function rowsOf(tables: Store | Snapshot): Map<number, string> {
  const found = new Map<number, string>()
  if (!tables.tableNames.includes(TABLE)) return found
  const table = tables.table(TABLE)
  for (const row of table.rows()) {
    const { id, text } = table.read(row)
    found.set(id as number, text as string)
  }
  return found
}
