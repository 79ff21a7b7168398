import { SnapheapError } from '../errors'
import type { Table } from '../table/table'
import { nearestName } from './nearest'
import { frozen, type Path } from './plan'

/** Turns the names that people write into paths, for one table or class. */
export interface PathResolver {
  /** The table whose rows the paths start from. */
  readonly table: string
  /** What messages call it. */
  readonly label: string
  /** The path that a name means: "title", "author.name", "address.lines.0". Throws `INVALID_ARGUMENT` for an unknown one, naming the nearest. */
  path(name: string): Path
  /** Names of what a row has itself. */
  names(): readonly string[]
}

/** Names of columns, and of members inside of what they hold. */
export class TablePaths implements PathResolver {
  readonly label: string

  constructor(private readonly of: Table) {
    this.label = `Table ${of.name}`
  }

  get table(): string {
    return this.of.name
  }

  path(name: string): Path {
    const [column, ...inside] = this.of.hasColumn(name) ? [name] : name.split('.')
    if (!this.of.hasColumn(column)) throw unknownName(this, column)
    return frozen({ references: [], column, inside: inside.map(stepNamed), label: name })
  }

  names(): readonly string[] {
    return this.of.columnNames
  }
}

/** Digits name an element of an array. */
export function stepNamed(name: string): string | number {
  return /^(0|[1-9]\d*)$/.test(name) ? Number(name) : name
}

/** The error for a name that a table or class has not, with the nearest that it has. */
export function unknownName(paths: PathResolver, name: string): SnapheapError {
  const names = paths.names()
  const nearest = nearestName(name, names)
  const remedy = nearest === undefined ? `It has ${names.join(', ')}.` : `Did you mean "${nearest}"?`
  return new SnapheapError('INVALID_ARGUMENT', `${paths.label} has no "${name}". ${remedy}`, {
    name,
    ...(nearest === undefined ? {} : { nearest }),
  })
}
