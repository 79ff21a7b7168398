import { compileFunction } from 'node:vm'
import { SnapheapError } from '../errors'
import { BINDING, Binding, type EntityObject, ROW } from './binding'
import type { ClassRows } from './class-rows'
import { Collection } from './collection'
import { jsonForm } from './json-form'
import type { EntityMapping, MappedProperty } from './mapping'
import type { EntityClass } from './types'
import { refuseUnknownProperties } from './unknown-properties'

/** Makes the object of a row that exists, bound when it was known to. */
export type Hydrator = (binding: Binding, row: number) => object

const withAccessors = new WeakSet<EntityClass>()

/** Whether the class's prototype has been given accessors, so that what it has there is not the user's own. */
export function hasAccessors(type: EntityClass): boolean {
  return withAccessors.has(type)
}

/**
 * Gives the class's prototype one accessor for each property, and a form for JSON and for the console. Returns what
 * makes its objects.
 */
export function installAccessors(mapping: EntityMapping): ClassCode {
  const { type } = mapping
  const code = compileFor(mapping)
  withAccessors.add(type)
  const prototype = type.prototype as object
  for (const property of mapping.all) {
    const { name } = property
    Object.defineProperty(prototype, name, {
      get: mapping.owns(property)
        ? getterOf(code, property)
        : code.derived((source, row) => source.value(row, property)),
      set(this: EntityObject, value: unknown) {
        this[BINDING].source.assign(this, name, value)
      },
      enumerable: true,
      configurable: true,
    })
  }
  for (const each of mapping.collections) {
    Object.defineProperty(prototype, each.name, {
      get(this: EntityObject) {
        this[BINDING].source.verify(this)
        return new Collection(this, each)
      },
      set: () => {
        throw collectionIsDerived(mapping, each.name)
      },
      configurable: true,
    })
  }
  define(prototype, BINDING, unbound(mapping))
  define(prototype, ROW, -1) // found here, so that making an object does not ask the guard
  if (!('toJSON' in prototype)) define(prototype, 'toJSON', toJson)
  define(prototype, Symbol.for('nodejs.util.inspect.custom'), inspect)
  refuseUnknownProperties(type)
  return code
}

/** What the code of one class makes. The values at `position` are those of `Binding.columns`. */
export interface ClassCode {
  readonly hydrate: Hydrator
  readonly bind: (...state: ConstructorParameters<typeof Binding>) => Binding
  /**
   * By position, what makes the accessor of a property of numbers; `other` is asked for words that are not plain
   * numbers.
   */
  readonly numbers: Record<number, (other: (source: ClassRows, row: number) => unknown) => () => unknown>
  readonly value: (position: number) => () => unknown
  /** A property that `read` gets the value of. */
  readonly derived: (read: (source: ClassRows, row: number) => unknown) => () => unknown
}

/**
 * The functions through which every object and property passes, as text: each class gets its own copy. Functions made
 * from one place in a program share what the engine learns about the objects they meet, and from the fifth class on it
 * gives up (megamorphic access): measured, a property then costs 35 ns instead of 7, and an object 100 instead of 60.
 *
 * An object is made as `new` would make it, but without running the class's constructor. `numbers` are the positions of
 * the properties that are numbers.
 */
const classCode = (numbers: readonly number[]): string => `'use strict'
function Row(binding, row) {
  this[BINDING] = binding
  this[ROW] = row
}
Row.prototype = prototype
class ClassBinding extends Binding {
  constructor(source, view, generation, columns, removals) {
    super(source, view, generation, columns, removals)
${numbers.map(placeOf).join('')}  }
}
const verified = (object) => object[BINDING].source.verify(object)
const verifiedNumber = (object, position, other) => {
  const { source, columns } = verified(object)
  const number = columns[position].number(object[ROW])
  return number === number && number !== 0 ? number : other(source, object[ROW])
}
return {
  hydrate: (binding, row) => new Row(binding, row),
  bind: (source, view, generation, columns, removals) => new ClassBinding(source, view, generation, columns, removals),
  numbers: {
${numbers.map(numberGetter).join('')}  },
  value: (position) => function () {
    const binding = this[BINDING]
    return binding.generation === binding.view.generation
      ? binding.columns[position].currentGet(this[ROW])
      : verified(this).columns[position].get(this[ROW])
  },
  derived: (read) => function () {
    const binding = this[BINDING]
    return read((binding.generation === binding.view.generation ? binding : verified(this)).source, this[ROW])
  },
}`

/**
 * Where a column's words are, beside the binding's generation: a read then need not look at the column, nor at the list
 * of them.
 */
const placeOf = (position: number): string => `
    this.first${position} = columns[${position}].firstAddress
    this.limit${position} = columns[${position}].capacity
`

/**
 * Zero means absent: a stored zero is a tagged word, like everything that reads as NaN. Whatever is no plain number
 * comes from `other`, absent values too: as long as it was never called, engines keep the number as one, and make no
 * object of it.
 */
const numberGetter = (position: number): string => `
    ${position}: (other) => function () {
      const binding = this[BINDING]
      const { view } = binding
      if (binding.generation !== view.generation) return verifiedNumber(this, ${position}, other)
      const row = this[ROW]
      if (row >= binding.limit${position}) return other(binding.source, row)
      const number = view.number(binding.first${position} + row)
      return number === number && number !== 0 ? number : other(binding.source, row)
    },
`

function compileFor({ type, properties }: EntityMapping): ClassCode {
  const numbers = properties.filter(isNumber).map((each) => each.position)
  const compiled = compileFunction(classCode(numbers), ['prototype', 'BINDING', 'ROW', 'Binding'])
  return compiled(type.prototype, BINDING, ROW, Binding) as ClassCode
}

/** Whether a property is read as a number where its word is one. */
function isNumber({ type, target, values }: MappedProperty): boolean {
  return (type === 'number' || type === 'integer') && target === undefined && values?.isConverted !== true
}

function getterOf(code: ClassCode, property: MappedProperty): () => unknown {
  const { position, type } = property
  if (property.target !== undefined) return code.derived((source, row) => source.reference(row, property))
  if (property.values?.isConverted === true) return code.derived((source, row) => source.converted(row, property))
  if (isNumber(property)) return code.numbers[position]((source, row) => source.numberAt(row, property))
  if (type === 'bigint') return code.derived((source, row) => source.bigintAt(row, property))
  return code.value(position)
}

function define(prototype: object, name: string | symbol, value: unknown): void {
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true })
}

function toJson(this: EntityObject): unknown {
  return jsonForm(this[BINDING].source.plain(this))
}

function inspect(
  this: EntityObject,
  depth: number | null,
  options: object,
  show: (value: unknown, options: object) => string,
): string {
  const { className } = this[BINDING].source.mapping
  if (depth !== null && depth < 0) return `[${className}]`
  try {
    return `${className} ${show(this[BINDING].source.plain(this), { ...options, depth })}`
  } catch (error) {
    if (error instanceof SnapheapError) return `${className} <${error.code}>`
    throw error
  }
}

function collectionIsDerived({ className }: EntityMapping, property: string): SnapheapError {
  return new SnapheapError(
    'INVALID_ARGUMENT',
    `${className}.${property} is the collection of what refers to this ${className}, and cannot be set. Set the ` +
      'references of those objects.',
    { class: className, property },
  )
}

/** The binding of the prototype itself and of objects made with `new`: they have no row. */
function unbound(mapping: EntityMapping): unknown {
  const { className } = mapping
  const fail = (property: string): never => {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${property} belongs to no row: the object was made with new. Make it with tx.insert(${className}, { … }), ` +
        'or look it up.',
      { class: className },
    )
  }
  const source = {
    mapping,
    verify: () => fail(`This ${className}`),
    plain: () => fail(`This ${className}`),
    assign: (_object: unknown, property: string) => fail(`${className}.${property}`),
  }
  return { generation: 0, view: { generation: 1 }, source }
}
