import { ensure, type Rule } from '../arguments'
import { brand } from '../kinds'

const ITERABLE: Rule = [
  (value) => typeof (value as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] === 'function',
  'an array or another iterable',
]

/** A list value: a chain of cells in the heap, whose tails are shared between lists. */
export class List {
  readonly items: readonly unknown[]
  constructor(items: Iterable<unknown>) {
    ensure('new List()', items, ITERABLE)
    this.items = Object.freeze([...items])
  }
  [Symbol.iterator](): Iterator<unknown> {
    return this.items[Symbol.iterator]()
  }
  toJSON(): readonly unknown[] {
    return this.items
  }
}
brand(List, 'List')
