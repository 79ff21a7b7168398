import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { checkName } from './names'

/**
 * A kind of index of your own: it says under which terms a value is found, such as the words of a text, and the index
 * keeps, for each term, the rows whose value has it. Functions of it are not stored: whoever writes to a table with
 * such an index, or asks by its terms, has to define the type in its process, under the same name.
 */
export interface IndexType {
  /** What files call it. Another name for other terms: those of rows that are there are not looked at again. */
  readonly name: string
  /**
   * The terms of a value, which is never null. Must be pure: always the same terms for the same value. Terms that come
   * twice count once.
   */
  readonly terms: (value: unknown) => Iterable<string>
  /** The terms of what is asked for, all of which a value has to have. Default: as `terms`. */
  readonly asked?: (value: unknown) => Iterable<string>
}

const types = new Map<string, IndexType>()

/**
 * Makes an index type known to this process, so that `{ columns: ['body'], kind: type.name }` defines an index. Returns
 * it. Throws `INVALID_ARGUMENT` unless it is one, `EXISTS` for another one of the same name.
 */
export function defineIndexType<T extends IndexType>(type: T): T {
  const given: unknown = type
  if (typeof given !== 'object' || given === null || typeof type.terms !== 'function') {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `defineIndexType() expects { name, terms } with a function terms(value), got ${show(given)}.`,
    )
  }
  if (type.asked !== undefined && typeof type.asked !== 'function') {
    throw new SnapheapError('INVALID_ARGUMENT', `asked of an index type is no function. Pass one, or leave it out.`)
  }
  checkName('index type', type.name)
  if (type.name === 'hash' || type.name === 'ordered') {
    throw new SnapheapError('EXISTS', `There is an index kind "${type.name}". Choose another name.`)
  }
  const known = types.get(type.name)
  if (known !== undefined && known !== type) {
    throw new SnapheapError('EXISTS', `An index type "${type.name}" is defined. Choose another name, or use that one.`)
  }
  types.set(type.name, type)
  return type
}

/** The index type of this name, undefined where this process does not know it. */
export function findIndexType(name: string): IndexType | undefined {
  return types.get(name)
}

/** What a term index needs of its definition. */
export interface TermIndexDefinition {
  readonly name: string
  readonly kind: string
  readonly table: { readonly name: string }
}

/** The index type of an index. Throws `SCHEMA` where this process does not know it. */
export function typeOf({ name, kind, table }: TermIndexDefinition): IndexType {
  const type = types.get(kind)
  if (type !== undefined) return type
  throw new SnapheapError(
    'SCHEMA',
    `Index ${table.name}.${name} is of the type "${kind}", which this process does not know. Define it with ` +
      'defineIndexType before ' +
      'you write to the table or ask by its terms, or drop the index.',
    { table: table.name, index: name, type: kind },
  )
}

/** The different terms of a value, or of what is asked for. Throws `TYPE` where the index type does. */
export function termsOf(definition: TermIndexDefinition, value: unknown, isAsked = false): Set<string> {
  const type = typeOf(definition)
  const terms = new Set<string>()
  let cause: unknown
  try {
    const given: unknown = isAsked && type.asked !== undefined ? type.asked(value) : type.terms(value)
    for (const term of given as Iterable<unknown>) {
      if (typeof term !== 'string') throw new TypeError(`${show(term)} is no text`)
      terms.add(term)
    }
    return terms
  } catch (error) {
    cause = error
  }
  throw new SnapheapError(
    'TYPE',
    `Index ${definition.table.name}.${definition.name} cannot take the terms of ${show(value)}: ${cause}. Correct ` +
      `terms of the index type "${type.name}", which has to give texts.`,
    { table: definition.table.name, index: definition.name },
    cause,
  )
}
