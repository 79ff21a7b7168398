import { SnapheapError } from '../errors'
import type { TableSource } from './path'
import { frozen, type Path, type Reference } from './plan'
import type { PathResolver } from './table-paths'

/** The names of a table or class, and behind an alias those of another whose rows its own refer to. */
export class JoinedPaths implements PathResolver {
  readonly table: string
  readonly label: string
  /** Leads to the key of the other row: missing where there is none. */
  readonly key: Path
  private readonly references: readonly Reference[]

  /** Throws `EXISTS` for an alias that is a name already, `INVALID_ARGUMENT` for an unknown name. */
  constructor(
    private readonly own: PathResolver,
    private readonly alias: string,
    private readonly other: PathResolver,
    from: string,
    to: string | undefined,
    tables: TableSource,
  ) {
    this.table = own.table
    this.label = own.label
    if (own.names().includes(alias) || alias.includes('.') || alias === '') {
      throw new SnapheapError(
        'EXISTS',
        `${own.label} cannot have "${alias}" joined to it, since that is a name already or has a point. Take ` +
          'another alias.',
      )
    }
    const start = own.path(from)
    const end = to === undefined ? undefined : other.path(to)
    if (start.inside.length > 0 || (end !== undefined && end.inside.length + end.references.length > 0)) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `"${alias}" cannot be joined by what is inside of a value or behind a reference of it. Join by columns: ` +
          `from one that can be reached, to one of ${other.label}.`,
      )
    }
    const column = end === undefined ? tables.table(other.table).keyColumns[0].name : end.column
    this.references = [...start.references, { column: start.column, table: other.table, by: column }]
    this.key = frozen({ references: this.references, column, inside: [], label: `${alias}.${to ?? column}` })
  }

  path(name: string): Path {
    if (!this.isBehind(name)) return this.own.path(name)
    const path = this.other.path(name.slice(this.alias.length + 1))
    return frozen({ ...path, references: [...this.references, ...path.references], label: name })
  }

  names(): readonly string[] {
    return [...this.own.names(), this.alias]
  }

  leadsOn(name: string): boolean {
    if (name === this.alias) return true
    return this.isBehind(name) ? this.other.leadsOn(name.slice(this.alias.length + 1)) : this.own.leadsOn(name)
  }

  holdsDocuments(name: string): boolean {
    if (name === this.alias) return false
    return this.isBehind(name)
      ? this.other.holdsDocuments(name.slice(this.alias.length + 1))
      : this.own.holdsDocuments(name)
  }

  operand(name: string, value: unknown): unknown {
    return this.isBehind(name)
      ? this.other.operand(name.slice(this.alias.length + 1), value)
      : this.own.operand(name, value)
  }

  reading(name: string): ((value: unknown) => unknown) | undefined {
    return this.isBehind(name) ? this.other.reading(name.slice(this.alias.length + 1)) : this.own.reading(name)
  }

  private isBehind(name: string): boolean {
    return name.startsWith(`${this.alias}.`)
  }
}
