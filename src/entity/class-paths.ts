import { frozen, Parameter, type Path, type Reference } from '../query/plan'
import { nothingInside, type PathResolver, stepNamed, unknownName } from '../query/table-paths'
import type { ClassRows } from './class-rows'
import type { EntityMapping, MappedProperty } from './mapping'

/** Names of a class's properties, and behind references those of the classes referred to. */
export class ClassPaths implements PathResolver {
  readonly label: string

  constructor(
    private readonly mapping: EntityMapping,
    /** Turns values given for properties into those of columns. */
    private readonly sourceOf: (mapping: EntityMapping) => ClassRows,
  ) {
    this.label = `Class ${mapping.className}`
  }

  get table(): string {
    return this.mapping.tableName
  }

  path(name: string): Path {
    const { references, property, inside } = this.walk(name)
    return frozen({ references, column: property.column, inside: inside.map(stepNamed), label: name })
  }

  names(): readonly string[] {
    return this.mapping.all.map((each) => each.name)
  }

  leadsOn(name: string): boolean {
    const { property, inside } = this.walk(name)
    return property.target !== undefined && inside.length === 0
  }

  holdsDocuments(name: string): boolean {
    const { property } = this.walk(name)
    return property.type === 'json' || property.type === 'any'
  }

  operand(name: string, value: unknown): unknown {
    const { mapping, property, inside } = this.walk(name)
    if (inside.length > 0) return value
    const convert = (each: unknown): unknown => this.sourceOf(mapping).columnValue(property, each)
    return value instanceof Parameter ? new Parameter(value.name, convert) : convert(value)
  }

  reading(name: string): ((value: unknown) => unknown) | undefined {
    const { property, inside } = this.walk(name)
    const { values } = property
    return values?.isConverted === true && inside.length === 0 ? (stored) => values.read(stored) : undefined
  }

  private walk(name: string): {
    mapping: EntityMapping
    references: Reference[]
    property: MappedProperty
    inside: string[]
  } {
    let { mapping } = this
    const references: Reference[] = []
    const parts = name.split('.')
    for (let i = 0; ; i++) {
      const property = mapping.findProperty(parts[i])
      if (property === undefined) throw unknownName(i === 0 ? this : new ClassPaths(mapping, this.sourceOf), parts[i])
      while (!mapping.owns(property)) {
        references.push({ column: mapping.ids[0].column, table: mapping.parent!.tableName })
        mapping = mapping.parent!
      }
      const inside = parts.slice(i + 1)
      const target = property.target?.()
      if (inside.length === 0 || target === undefined) {
        const { type } = property
        const hasParts = type === 'json' || type === 'any' || type?.endsWith('[]') === true
        if (inside.length > 0 && !hasParts)
          throw nothingInside(this, parts.slice(0, i + 1).join('.'), type ?? 'reference')
        return { mapping, references, property, inside }
      }
      references.push({ column: property.column, table: target.tableName })
      mapping = target
    }
  }
}
