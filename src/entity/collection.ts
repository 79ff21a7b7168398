import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { and } from '../query/builder'
import { BINDING, type EntityObject, ROW } from './binding'
import type { ClassRows } from './class-rows'
import type { MappedCollection } from './collection-mapping'
import { queryOf } from './queries'
import type { ClassQuery, Where } from './query-types'
import type { EntityClass } from './types'

/** Marks collections, so that types tell them from columns. */
export const COLLECTION: unique symbol = Symbol('snapheap.collection')

/**
 * The objects that refer to one, as `@Many` declares them: read by the index of the reference whenever it is asked, so
 * that it shows what its owner's database, snapshot or transaction shows then. Throws `NOT_FOUND` once the owner is
 * deleted.
 */
export class Collection<T extends object> implements Iterable<T> {
  readonly [COLLECTION] = true

  constructor(
    private readonly owner: EntityObject,
    private readonly mapped: MappedCollection,
  ) {}

  /** How many objects there are. Counted in the index: makes none. */
  get length(): number {
    const source = this.source()
    const { through } = this.mapped
    const links = through === undefined ? this.target(source).table : source.scope.table(through.table)
    const column = links.hasColumn(this.mapped.column) ? links.column(this.mapped.column) : undefined
    const mayLeadNowhere = through !== undefined && links.column(through.to).isNullable
    if (column?.index === undefined || mayLeadNowhere) return this.rows(source).length
    const address = source.keyColumn.addressOf(this.owner[ROW])
    const { view } = source // equal keys are equal words in whatever column they stand
    return column.index.count(view.low(address), view.high(address))
  }

  /**
   * The object at a position, counted from the end where it is negative; undefined without one. By row number, or by
   * that of the link.
   */
  at(index: number): T | undefined {
    const source = this.source()
    const row = this.rows(source).at(index)
    return row === undefined ? undefined : (this.target(source).object(row) as T)
  }

  /** Every object, by row number, or by that of the link. All are found before the first is given. */
  *[Symbol.iterator](): Iterator<T> {
    const source = this.source()
    const target = this.target(source)
    for (const row of this.rows(source)) yield target.object(row) as T
  }

  /** A query over those that fit, as of `Database.query`. Over links it is about those there are when it is made. */
  where(condition: Where<T>): ClassQuery<T> {
    const source = this.source()
    const { scope } = source
    const query = queryOf(this.target(source).type, scope, scope) as ClassQuery<T>
    return query.where(and(this.membership(source), condition))
  }

  private membership(source: ClassRows): object {
    if (this.mapped.through === undefined) return { [this.mapped.property]: this.ownerKey(source) }
    return { [this.target(source).mapping.ids[0].name]: { in: this.linkedKeys(source) } }
  }

  private rows(source: ClassRows): readonly number[] {
    const target = this.target(source)
    if (this.mapped.through === undefined) return target.find({ [this.mapped.property]: this.ownerKey(source) })
    return this.linkedKeys(source).map((key) => {
      const row = target.rowOf(key)
      if (row >= 0) return row
      const { className } = target.mapping
      throw new SnapheapError(
        'NOT_FOUND',
        `${source.mapping.className}.${this.mapped.name} has a link to ${className} ${show(key)}, which does not ` +
          'exist. Create it, or delete the link.',
        { class: source.mapping.className, property: this.mapped.name, key },
      )
    })
  }

  /** Keys of the objects that links lead to. */
  private linkedKeys(source: ClassRows): unknown[] {
    const { through, column } = this.mapped
    const links = source.scope.table(through!.table)
    const to = links.column(through!.to)
    const rows = links.findRows({ [column]: this.ownerKey(source) })
    return rows.map((row) => to.get(row)).filter((key) => key !== null && key !== undefined)
  }

  private ownerKey(source: ClassRows): unknown {
    return source.keyColumn.get(this.owner[ROW])
  }

  private target(source: ClassRows): ClassRows {
    return source.scope.reader.source(this.mapped.target().type as EntityClass)
  }

  /** What the owner is read through now. Throws `NOT_FOUND`, `CLOSED`. */
  private source(): ClassRows {
    return this.owner[BINDING].source.verify(this.owner).source
  }
}
