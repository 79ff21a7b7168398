import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import type { Table } from '../table/table'
import { nearestName } from './nearest'
import { columnPath, frozen, type Path } from './plan'

/** Turns the names that people write into paths, for one table or class. */
export interface PathResolver {
  /** The table whose rows the paths start from. */
  readonly table: string
  /** What messages call it. */
  readonly label: string
  /**
   * The path that a name means: "title", "author.name", "address.lines.0". Throws `INVALID_ARGUMENT` for an unknown
   * one, naming the nearest.
   */
  path(name: string): Path
  /** Names of what a row has itself. */
  names(): readonly string[]
  /** Whether a name is that of a reference, behind which there are further names. */
  leadsOn(name: string): boolean
  /** Whether a name is that of something that holds documents, in which there may be further names. */
  holdsDocuments(name: string): boolean
  /** The value of a column that a value given for a name means: for a reference given as an object, its key. */
  operand(name: string, value: unknown): unknown
  /** What is made of a value that is found there; undefined where it is given as it is. */
  reading(name: string): ((value: unknown) => unknown) | undefined
}

const DOCUMENTS: ReadonlySet<ColumnType> = new Set(['any', 'json'])

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
    if (this.of.hasColumn(name)) return columnPath(name)
    const [column, ...inside] = name.split('.')
    if (!this.of.hasColumn(column)) throw unknownName(this, column)
    const { type } = this.of.column(column)
    if (inside.length > 0 && !DOCUMENTS.has(type) && !type.endsWith('[]')) throw nothingInside(this, column, type)
    return frozen({ references: [], column, inside: Object.freeze(inside.map(stepNamed)), label: name })
  }

  names(): readonly string[] {
    return this.of.columnNames
  }

  leadsOn(): boolean {
    return false
  }

  holdsDocuments(name: string): boolean {
    return DOCUMENTS.has(this.of.column(this.path(name).column).type)
  }

  operand(_name: string, value: unknown): unknown {
    return value
  }

  reading(): undefined {
    return undefined
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

/** The error for a name within something that has no parts. */
export function nothingInside(paths: PathResolver, name: string, type: string): SnapheapError {
  return new SnapheapError(
    'INVALID_ARGUMENT',
    `${paths.label} has nothing within "${name}", which is of type ${type}. Name ${name} alone.`,
    { name },
  )
}
