import type { ColumnType } from '../table/column-type'
import { Decimal } from '../value/decimal'
import type { DeclaredProperty } from './class-definition'
import { designTypeOf } from './decorators'
import type { EntityMapping } from './mapping'
import { enumValues, typeOfValues } from './property-values'

/**
 * The type of a column whose decorator gives none: that of its enum's values, or by the type that the compiler wrote
 * down for the property. Throws `SCHEMA` where neither tells it, naming what does.
 */
export function derivedType(mapping: EntityMapping, declared: DeclaredProperty): ColumnType {
  const { property, options, isId } = declared
  const decorator = isId ? '@Id' : '@Column'
  if (options.enum !== undefined) {
    const type = typeOfValues(enumValues(options.enum))
    if (type !== undefined) return type
    throw mapping.fault(
      property,
      'has an enum that is neither all strings nor all numbers. Give it values of one type.',
    )
  }
  const design = designTypeOf(declared)
  const type = isId && design === Number ? 'integer' : TYPES.get(design)
  if (type !== undefined) return type
  switch (design) {
    case undefined:
      throw mapping.fault(
        property,
        `has no type metadata: the compiler wrote no types down. Say ${decorator}({ type: ` +
          `'${isId ? 'integer' : 'string'}' }) or the like, define the table with table(), or compile with ` +
          '"experimentalDecorators": true and "emitDecoratorMetadata": true.',
      )
    case Array:
      throw mapping.fault(
        property,
        `is an array of what the metadata does not say. Say @Column({ type: 'string[]' }) or the like.`,
      )
    case Object:
      throw mapping.fault(
        property,
        `has a type that the metadata does not tell (a union, an alias or an interface). Say ${decorator}({ type: … ` +
          '}), with nullable: true where it can be null.',
      )
    default: {
      const name = typeof design === 'function' ? design.name : String(design)
      throw mapping.fault(
        property,
        `has the type ${name}, which a column cannot have. Use @Ref(() => ${name}) if it is an entity, else ` +
          `${decorator}({ type: … }).`,
      )
    }
  }
}

/** By the constructor that stands for the property's type. */
const TYPES: ReadonlyMap<unknown, ColumnType> = new Map<unknown, ColumnType>([
  [Number, 'number'],
  [String, 'string'],
  [Boolean, 'boolean'],
  [BigInt, 'bigint'],
  [Date, 'timestamp'],
  [Decimal, 'decimal'],
  [Uint8Array, 'bytes'],
  [Buffer, 'bytes'],
])
