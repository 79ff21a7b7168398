import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Decimal } from '../../src/value/decimal'
import { List } from '../../src/value/list'
import { ValueShelf } from './support/value-shelf'
import { anyValue, exact } from './support/values'

let shelf: ValueShelf
beforeEach(() => {
  shelf = new ValueShelf()
})
afterEach(() => shelf.close())

/** A deep copy that shares no object with the value. */
function copyOf(value: unknown): unknown {
  if (value instanceof List) return new List(value.items.map(copyOf))
  if (Array.isArray(value)) return value.map(copyOf)
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOf(member)]))
  }
  return value
}

describe('interned values', () => {
  test('equal values are equal words, different values different words', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        shelf.put(0, a)
        shelf.put(1, copyOf(a))
        shelf.put(2, b)
        expect(shelf.word(1)).toBe(shelf.word(0))
        expect(shelf.word(2) === shelf.word(0)).toBe(exact(a) === exact(b))
      }),
      { numRuns: 200 },
    )
  })

  test('values that differ only in type, sign, scale, order or nesting are different words', () => {
    const values = [
      0, -0, 0n, new Decimal(0n, 0), new Decimal(0n, 1), '0', '', null, undefined, false, [], {}, new List([]),
      Buffer.alloc(0), Buffer.from('0'), [[]], [null], [undefined], new List([null]), { a: 1, b: 2 }, { b: 2, a: 1 },
      new Date(0), '�', '\ud800', 'a', 'a\0', 'a\0\0\0\0\0\0', 'a\0\0\0\0\0', Buffer.from([0]), Buffer.from([0, 0]),
      1, 1n, new Decimal(1n, 0), new Decimal(10n, 1), 2n ** 64n, 2 ** 64, new Decimal(2n ** 64n, 0),
    ] // biome-ignore format: one line per theme
    for (const [i, value] of values.entries()) shelf.put(i, value)
    expect(new Set(values.map((_, i) => shelf.word(i))).size).toBe(values.length)
  })

  test('storing, replacing and dropping any values in any order leaves no object behind', () => {
    const command = fc.tuple(fc.nat({ max: 5 }), fc.option(fc.tuple(anyValue, fc.boolean()), { freq: 4 }))
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const model = new Map<number, unknown>()
        for (const [place, stored] of commands) {
          const earlier = [...model.values()]
          const value = stored?.[1] && earlier.length > 0 ? [earlier[0], stored[0]] : stored?.[0]
          shelf.put(place, value)
          model.set(place, value)
        }
        for (const [place, value] of model) expect(exact(shelf.get(place))).toBe(exact(value))
        shelf.check()
        for (const place of model.keys()) shelf.drop(place)
        shelf.check()
      }),
      { numRuns: 50 },
    )
  })

  test('the space of dropped values is used again', () => {
    let round = 0
    const fill = () => {
      round++
      for (let i = 0; i < 500; i++) {
        shelf.put(i, { name: `value ${i} of ${round}`, list: [`item ${i} of ${round}`, i, 2n ** 70n] })
      }
      for (let i = 0; i < 500; i++) shelf.drop(i)
    }
    fill()
    fill()
    const words = shelf.allocatedWords
    while (round < 12) fill()
    expect(shelf.allocatedWords).toBe(words)
  })

  test('looking up finds exactly what is stored, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 5 }), anyValue, (stored, sought) => {
        for (let i = 0; i < 5; i++) shelf.put(i, stored[i])
        const { version } = shelf.heap
        const { finder } = shelf
        finder.isMissing = false
        finder.value(sought)
        const word = finder.isMissing ? undefined : `${finder.low}:${finder.high}`
        for (const [i, value] of stored.entries()) {
          if (exact(value) === exact(sought)) expect(word).toBe(shelf.word(i))
          else expect(word).not.toBe(shelf.word(i))
        }
        expect(shelf.heap.version).toBe(version)
      }),
      { numRuns: 150 },
    )
  })

  test('the tails of equal lists are shared', () => {
    const tail = Array.from({ length: 1000 }, (_, i) => `item number ${i}`)
    shelf.put(0, new List(['head', ...tail]))
    const words = shelf.allocatedWords
    shelf.put(1, new List(['another', ...tail]))
    expect(shelf.allocatedWords - words).toBeLessThan(10)
    shelf.drop(0)
    expect(exact(shelf.get(1))).toBe(exact(new List(['another', ...tail])))
  })
})
