import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PathStep } from '../../src/value/decoder'
import { List } from '../../src/value/list'
import { ValueShelf } from './support/value-shelf'
import { anyValue, exact } from './support/values'

let shelf: ValueShelf
beforeEach(() => {
  shelf = new ValueShelf()
})
afterEach(() => shelf.close())

const path = (...steps: PathStep[]) => shelf.decoder.path(shelf.addressOf(0), steps)
const length = (...steps: PathStep[]) => shelf.decoder.length(shelf.addressOf(0), steps)

/** What a path leads to in JavaScript: negative indexes count from the end. */
function follow(value: unknown, steps: readonly PathStep[]): unknown {
  let at = value
  for (const step of steps) {
    if (Array.isArray(at) && typeof step === 'number') at = at.at(step)
    else if (isDocument(at) && typeof step === 'string' && Object.hasOwn(at, step)) at = at[step]
    else return undefined
  }
  return at
}

function isDocument(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Every path into a value, with some that lead nowhere. */
function pathsInto(value: unknown, depth = 0): PathStep[][] {
  const steps: PathStep[] = Array.isArray(value)
    ? [...value.keys(), -1, -value.length, value.length, -value.length - 1, 'length']
    : isDocument(value)
      ? [...Object.keys(value), 'no such member', 'toString', 0]
      : ['length', 0]
  if (depth > 5) return [[]]
  return [
    [],
    ...steps.flatMap((step) => [[step], ...pathsInto(follow(value, [step]), depth + 1).map((p) => [step, ...p])]),
  ]
}

describe('reading a part of a value', () => {
  test('every path leads to what it leads to in JavaScript', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        shelf.put(0, value)
        for (const steps of pathsInto(value).slice(0, 150)) {
          const expected = follow(value, steps)
          expect(exact(path(...steps))).toBe(exact(expected))
          const size = Array.isArray(expected)
            ? expected.length
            : isDocument(expected)
              ? Object.values(expected).filter((member) => member !== undefined).length
              : undefined
          expect(length(...steps)).toBe(size)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('documents of every size find each member', () => {
    for (let members = 0; members <= 60; members++) {
      const names = Array.from({ length: members }, (_, i) => (i % 3 === 0 ? `${i}` : `a member with the number ${i}`))
      shelf.put(0, Object.fromEntries(names.map((name, i) => [name, i])))
      expect(names.map((name) => path(name))).toEqual(names.map((_, i) => i))
      expect([length(), path('a member with the number -1'), path('x')]).toEqual([members, undefined, undefined])
    }
  })

  test('one element of a large value is read without reading the others', () => {
    const numbers = Array.from({ length: 60_000 }, (_, i) => i)
    shelf.put(0, { numbers, members: Object.fromEntries(numbers.map((i) => [`member ${i}`, i])) })
    const read = shelf.decoder.read
    const touched: number[] = []
    shelf.decoder.read = function (address) {
      touched.push(address)
      return read.call(this, address)
    }
    expect([path('numbers', 43_210), path('numbers', -1), path('members', 'member 7777')]).toEqual([
      43_210, 59_999, 7777,
    ])
    expect(touched).toHaveLength(3)
    expect([length('numbers'), length('members')]).toEqual([60_000, 60_000])
    expect(touched).toHaveLength(3)
  })

  test('steps that are no index lead nowhere', () => {
    shelf.put(0, [1, 2, 3])
    for (const step of [0.5, Number.NaN, Infinity, 2 ** 32, -(2 ** 40), '0']) expect(path(step)).toBeUndefined()
    shelf.put(0, new List([1, 2]))
    expect([path(0), length()]).toEqual([undefined, undefined])
  })
})
