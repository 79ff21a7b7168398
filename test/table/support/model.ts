import type { ErrorCode } from '../../../src/errors'
import type { ColumnType } from '../../../src/table/column-type'
import { Decimal } from '../../../src/value/decimal'
import { Timestamp } from '../../../src/value/timestamp'
import { exact } from '../../value/support/values'

export interface ModelColumn {
  name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly unique: boolean
  index: boolean
}

export type ModelRow = Map<ModelColumn, unknown>

/** What a statement does: nothing wrong, or the code of its error. */
export type Outcome = 'ok' | ErrorCode

/** Few different values of each type, so that they meet: the first ones are the likeliest. */
const POOLS: Record<string, readonly unknown[]> = {
  any: [null, 0, -0, 1, '1', 1n, false, true, 'a string longer than a word', { a: [1, null] }, [], Number.NaN],
  boolean: [true, false],
  integer: [0, 1, 2, 3, 4, 5, 6, 7, -1, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  bigint: [0n, 1n, 2n, 3n, -1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 70n, -(2n ** 70n)],
  number: [0, -1.5, 0.1, 5e-324, Infinity, -Infinity, Number.NaN],
  decimal: [
    ...[new Decimal(0n, 0), new Decimal(110n, 2), new Decimal(-(10n ** 30n), 5), Number.NaN, Infinity, -Infinity],
    ...upTo(6, (i) => new Decimal(BigInt(i) - 9n, 3)),
  ],
  string: [
    ...['', 'a', 'b', 'sixsix', 'a string longer than a word', 'ein längeres Wort 🦙', '\ud800'],
    ...upTo(8, (i) => `item number ${i}`),
  ],
  bytes: [Buffer.alloc(0), Buffer.from([0]), Buffer.from('a byte string')],
  uuid: upTo(12, (i) => `${i.toString(16).repeat(8)}-0000-4000-8000-c0ffee00000${i.toString(16)}`),
  timestamp: [
    ...[new Date(0), new Date(-1), new Timestamp(1, 1), new Timestamp(1, 2), Infinity, -Infinity],
    ...upTo(6, (i) => new Date(i * 1e9)),
  ],
  day: ['1970-01-01', '2024-02-29', '-000044-03-15', '+012345-01-01', ...upTo(8, (i) => `2024-02-0${i + 1}`)],
  time: ['00:00:00', '23:59:59.999999', '24:00:00'],
  json: [
    { a: 1 },
    { a: 1, b: [true, null] },
    [1, 2, 3],
    'text',
    0,
    false,
    ...upTo(5, (i) => ({ i, text: `number ${i}` })),
  ],
  'integer[]': [
    [],
    [1],
    [1, null],
    [
      [1, 2],
      [3, 4],
    ],
    ...upTo(6, (i) => [i, i + 1]),
  ],
  'string[]': [['a'], ['a string longer than a word', null]],
}

function upTo<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

export function poolOf(type: ColumnType): readonly unknown[] {
  return POOLS[type]
}

/** A table as plain data: what the real one must agree with. */
export class ModelTable {
  constructor(
    public name: string,
    readonly key: readonly ModelColumn[],
    public columns: ModelColumn[],
    public rows: ModelRow[] = [],
  ) {}

  copy(): ModelTable {
    const columns = new Map(this.columns.map((column) => [column, { ...column }]))
    return new ModelTable(
      this.name,
      this.key.map((column) => columns.get(column)!),
      [...columns.values()],
      this.rows.map((row) => new Map([...row].map(([column, value]) => [columns.get(column)!, value]))),
    )
  }

  column(name: string): ModelColumn | undefined {
    return this.columns.find((column) => column.name === name)
  }

  keyOf(row: ModelRow): string {
    return this.key.map((column) => exact(row.get(column))).join()
  }

  insert(values: ModelRow): Outcome {
    if (this.columns.some((column) => !column.nullable && isAbsent(column, values.get(column)))) return 'NOT_NULL'
    if (this.clashes(values)) return 'UNIQUE'
    this.rows.push(new Map(this.columns.map((column) => [column, stored(column, values.get(column))])))
    return 'ok'
  }

  update(row: ModelRow | undefined, changes: ModelRow): Outcome {
    if (row === undefined) return 'NOT_FOUND'
    const given = [...changes].filter(([, value]) => value !== undefined)
    if (given.some(([column, value]) => !column.nullable && isAbsent(column, value))) return 'NOT_NULL'
    const changed = new Map(row)
    for (const [column, value] of given) changed.set(column, stored(column, value))
    if (this.clashes(changed, row)) return 'UNIQUE'
    for (const [column, value] of changed) row.set(column, value)
    return 'ok'
  }

  upsert(values: ModelRow): Outcome {
    const isWhole = this.key.every((column) => !isAbsent(column, values.get(column)))
    const row = isWhole ? this.rows.find((each) => this.keyOf(each) === this.keyOf(values)) : undefined
    return row === undefined ? this.insert(values) : this.update(row, values)
  }

  matching(conditions: ModelRow): ModelRow[] {
    const wanted = [...conditions].map(([column, value]) => [column, exact(stored(column, value))] as const)
    return this.rows.filter((row) => wanted.every(([column, value]) => exact(row.get(column)) === value))
  }

  addColumn(column: ModelColumn, value: unknown): Outcome {
    if (this.column(column.name) !== undefined) return 'EXISTS'
    if (this.rows.length > 0 && !column.nullable && isAbsent(column, value)) return 'NOT_NULL'
    if (this.rows.length > 1 && column.unique && !isAbsent(column, value)) return 'UNIQUE'
    this.columns.push(column)
    for (const row of this.rows) row.set(column, stored(column, value))
    return 'ok'
  }

  dropColumn(name: string): Outcome {
    const column = this.column(name)
    if (column === undefined) return 'NOT_FOUND'
    if (this.key.includes(column)) return 'INVALID_ARGUMENT'
    this.columns = this.columns.filter((each) => each !== column)
    for (const row of this.rows) row.delete(column)
    return 'ok'
  }

  renameColumn(name: string, newName: string): Outcome {
    const column = this.column(name)
    if (column === undefined) return 'NOT_FOUND'
    if (this.column(newName) !== undefined) return 'EXISTS'
    column.name = newName
    return 'ok'
  }

  setIndex(name: string, isIndexed: boolean): Outcome {
    const column = this.column(name)
    if (column === undefined) return 'NOT_FOUND'
    if (!isIndexed && (column.unique || (this.key.length === 1 && this.key[0] === column))) return 'INVALID_ARGUMENT'
    column.index = isIndexed
    return 'ok'
  }

  private clashes(values: ModelRow, self?: ModelRow): boolean {
    return this.rows.some(
      (row) =>
        row !== self &&
        (this.keyOf(row) === this.keyOf(values) ||
          this.columns.some(
            (column) =>
              column.unique &&
              !isAbsent(column, row.get(column)) &&
              exact(row.get(column)) === exact(stored(column, values.get(column))),
          )),
    )
  }
}

/** Whether a column stores nothing for a value: null is a value of its own in a dynamic column. */
export function isAbsent(column: ModelColumn, value: unknown): boolean {
  return value === undefined || (value === null && column.type !== 'any')
}

/** What a column gives back for a value. */
function stored(column: ModelColumn, value: unknown): unknown {
  if (!isAbsent(column, value)) return value
  return column.type === 'any' ? undefined : null
}
