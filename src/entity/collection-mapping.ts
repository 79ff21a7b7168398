import type { ManyRecord } from './class-definition'
import type { EntityMapping } from './mapping'

/** A property that is a collection, as its class describes it. */
export interface MappedCollection {
  readonly name: string
  readonly target: () => EntityMapping
  /** The property that refers to the owner: of the target, or of the class of links. */
  readonly property: string
  /** Its column. */
  readonly column: string
  /**
   * The table of links between owner and target, and the column that leads to the target; undefined for a reference.
   */
  readonly through: { readonly table: string; readonly to: string } | undefined
  /** The class of links, where it is one. */
  readonly links: (() => EntityMapping) | undefined
}

/** What `@Many` has said of a property of a class, to be resolved when all classes are there. */
export class CollectionMapping implements MappedCollection {
  private resolved: Pick<MappedCollection, 'property' | 'column' | 'through'> | undefined
  readonly links: (() => EntityMapping) | undefined

  constructor(
    private readonly owner: EntityMapping,
    readonly name: string,
    private readonly record: ManyRecord,
    private readonly mappingOf: (property: string, target: () => unknown) => EntityMapping,
  ) {
    const { through } = record
    this.links = typeof through === 'function' ? () => mappingOf(name, through) : undefined
  }

  readonly target = (): EntityMapping => this.mappingOf(this.name, this.record.target)

  get property(): string {
    return this.resolve().property
  }

  get column(): string {
    return this.resolve().column
  }

  get through(): MappedCollection['through'] {
    return this.resolve().through
  }

  /** Makes sure that there is such a reference. Throws `SCHEMA`. */
  resolve(): Pick<MappedCollection, 'property' | 'column' | 'through'> {
    this.resolved ??= this.resolveNow()
    return this.resolved
  }

  private resolveNow(): Pick<MappedCollection, 'property' | 'column' | 'through'> {
    const { owner, name, record } = this
    if (owner.ids.length !== 1) {
      throw owner.fault(name, 'is a collection of a class whose key has several columns. Ask with query instead.')
    }
    if (record.through === undefined) {
      const property = propertyNamed(record.by)
      return { property, column: this.reference(this.target(), property, owner).column, through: undefined }
    }
    const from = propertyNamed(record.by)
    const to = propertyNamed(record.to)
    if (this.links === undefined) {
      return { property: from, column: from, through: { table: record.through as string, to } }
    }
    const links = this.links()
    const { column } = this.reference(links, from, owner)
    const leads = this.reference(links, to, this.target())
    if (!links.owns(links.property(from)) || !links.owns(links.property(to)))
      throw owner.fault(name, `is linked by properties that ${links.className} inherits. Name the class that has both.`)
    return { property: from, column, through: { table: links.tableName, to: leads.column } }
  }

  private reference(from: EntityMapping, name: string, to: EntityMapping): { readonly column: string } {
    const property = from.findProperty(name)
    if (property?.target !== undefined && to.isA(property.target())) return property
    throw this.owner.fault(
      this.name,
      `is a collection by ${from.className}.${name}, which does not refer to ${to.className}. Name a property ` +
        `with ${from.spelling.reference(to.className)}.`,
    )
  }
}

/** The name that a function such as `(post) => post.author` asks an object for; a name itself. */
function propertyNamed(by: unknown): string {
  if (typeof by !== 'function') return String(by)
  let asked = ''
  const probe = new Proxy(Object.create(null) as object, {
    get: (_target, name) => {
      asked ||= String(name)
      return undefined
    },
  })
  try {
    by(probe)
  } catch {} // what it does with the property does not matter
  return asked
}
