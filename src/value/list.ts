/** A list value: a chain of cells in the heap, whose tails are shared between lists. */
export class List {
  readonly items: readonly unknown[]
  constructor(items: Iterable<unknown>) {
    this.items = Object.freeze([...items])
  }
  [Symbol.iterator](): Iterator<unknown> {
    return this.items[Symbol.iterator]()
  }
  toJSON(): readonly unknown[] {
    return this.items
  }
}
