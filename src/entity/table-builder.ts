import { ensureOptions, isRecord, show } from '../arguments'
import { SnapheapError } from '../errors'
import { INDEXES } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import { defineClass, defineProperty, definitionOf } from './class-definition'
import { definitionIn, type Property } from './property-builder'
import type { EntityClass } from './types'
import type { StandardSchema } from './validation'

/** The objects of a table with these properties. */
export type TableRow<S> = { -readonly [K in keyof S]: S[K] extends Property<infer V> ? V : never }

/** The class of a table's objects. Nothing makes them but `tx.insert`; a class may extend it. */
export type TableClass<R extends object> = abstract new () => R

/** The type of a table's objects: `type Quote = RowOf<typeof quote>`. */
export type RowOf<T extends EntityClass> = InstanceType<T>

/** What a table has besides its properties, whose names are N. */
export interface TableOptions<N extends string = string> {
  /**
   * Further indexes, over several properties, in order, unique, or of some objects: `columns` and `where` name
   * properties.
   */
  readonly indexes?: readonly (IndexDefinition & { readonly columns: readonly N[] })[]
  /**
   * What checks objects when they are made or changed, and may change their values: a schema of any library that
   * follows the Standard Schema, such as zod or valibot.
   */
  readonly schema?: StandardSchema
}

type NamesOf<S> = Extract<keyof S, string>

/**
 * A table, as the class of its objects: `table('quote', { id: integer().key(), creationDate: timestamp() })` is the
 * table "quote" with the columns "id" and "creation_date". It is given to `open`, `get`, `find`, `query` and all others
 * that take a class; `RowOf<typeof quote>` is the type of its objects. With `extends` it has what another table has,
 * too, whose key it shares. Throws `INVALID_ARGUMENT`, `SCHEMA` for what cannot be a table or a property.
 *
 * A class can extend it to add getters and methods: `class Quote extends table('quote', { … }) { … }`. That class is
 * then registered in its place.
 */
// another constraint makes the compiler look into getters, which is a circle
// biome-ignore lint/suspicious/noExplicitAny: see above
export function table<S extends Record<string, any>>(
  name: string,
  properties: S,
  options?: TableOptions<NoInfer<NamesOf<S>>>,
): TableClass<TableRow<S>>
// biome-ignore lint/suspicious/noExplicitAny: as above
export function table<S extends Record<string, any>, P extends object>(
  name: string,
  properties: S,
  options: TableOptions<NoInfer<NamesOf<S>>> & { readonly extends: EntityClass<P> },
): TableClass<TableRow<S> & P>
export function table(
  name: string,
  properties: Record<string, unknown>,
  options: TableOptions & { readonly extends?: EntityClass } = {},
): EntityClass {
  ensureName(name)
  const what = `table(${show(name)})`
  ensureOptions(what, options, { indexes: INDEXES, schema: [() => true, ''], extends: [() => true, ''] })
  const { extends: parent, ...others } = options
  const type = parent === undefined ? class {} : class extends ensureEntity(what, parent) {}
  Object.defineProperty(type, 'name', { value: name, configurable: true })
  for (const property of namesOf(what, properties)) {
    const definition = definitionIn(properties[property])
    if (definition === undefined) throw noProperty(what, property, properties[property])
    defineProperty(type.prototype, property, definition)
  }
  defineClass(type, { options: { ...others, name }, isTable: true })
  return type
}

function ensureName(name: unknown): void {
  if (typeof name === 'string' && name !== '' && name.length <= 200 && name !== '__proto__') return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `table() expects the table's name, a string of 1 to 200 characters, got ${show(name)}. ` +
      "Write table('quote', { … }).",
  )
}

/** The class as one that can be extended here; its objects are never made by a constructor. */
function ensureEntity(what: string, parent: EntityClass): new () => object {
  if (typeof parent === 'function' && definitionOf(parent) !== undefined) return parent as unknown as new () => object
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${what} extends ${typeof parent === 'function' ? parent.name : show(parent)}, which has no table. Pass another ` +
      'table, or a class with @Entity().',
  )
}

/** The names of a table's properties. Throws `SCHEMA` for one that objects or queries could not be asked for. */
function namesOf(what: string, properties: unknown): string[] {
  if (!isRecord(properties) || definitionIn(properties) !== undefined) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${what} expects an object of properties, got ${show(properties)}. Write { id: integer().key(), … }.`,
    )
  }
  return Reflect.ownKeys(properties as object).map((name) => {
    if (typeof name === 'string' && /^(?!\d+$)[^.]+$/.test(name)) return name
    throw new SnapheapError(
      'SCHEMA',
      `${what} has a property ${show(name)}, but names are strings without dots that are no numbers. Choose another ` +
        'name; .column(…) gives the column any.',
      { table: what },
    )
  })
}

function noProperty(what: string, property: string, given: unknown): SnapheapError {
  const made = typeof given === 'function' && given.name !== '' ? `the function ${given.name}` : show(given)
  return new SnapheapError(
    'SCHEMA',
    `${what} expects ${property} to be made by text(), integer(), ref() or another function of this library, got ` +
      `${made}. Call one of them.`,
    { property },
  )
}
