import { types } from 'node:util'

// A value is recognized by what it is, not by the constructor that made it: another realm (a context of node:vm, where
// Jest and some pools of vitest run tests) has constructors of its own, and so has another copy of this library.

export function isDate(value: unknown): value is Date {
  return value instanceof Date || types.isDate(value)
}

export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || types.isUint8Array(value)
}

export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise || types.isPromise(value)
}

export function isRegExp(value: unknown): value is RegExp {
  return value instanceof RegExp || types.isRegExp(value)
}

/** Whether a value is an object as a literal makes it, or one without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || isObjectPrototype(prototype)
}

/** Whether it is the `Object.prototype` of some realm. */
function isObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/**
 * Has `instanceof` recognize the objects of a class by a mark that every copy of this library knows. Subclasses are
 * told apart as usual.
 */
export function brand(type: abstract new (...given: never[]) => object, name: string): void {
  const mark = Symbol.for(`snapheap.${name}`)
  Object.defineProperty(type.prototype, mark, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this as () => void, value)
      return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true
    },
  })
}
