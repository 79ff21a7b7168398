import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { LONGEST_KEPT_BYTES } from '../../src/value/text-cache'
import { ValueShelf } from './support/value-shelf'

const shelves: ValueShelf[] = []
afterEach(() => {
  for (const shelf of shelves.splice(0)) shelf.close()
})

function newShelf(): ValueShelf {
  const shelf = new ValueShelf()
  shelves.push(shelf)
  return shelf
}

/** Strings of few letters and sizes, so that they meet in the same places and slots of the cache. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{1f980}'), maxLength: 20 }),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: LONGEST_KEPT_BYTES - 3, maxLength: LONGEST_KEPT_BYTES + 3 }),
)

describe('a string read again', () => {
  test('is what the heap says now, whichever string was in its place before', () => {
    const shelf = newShelf()
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), text), { minLength: 1, maxLength: 40 }), (puts) => {
        for (const [place, value] of puts) {
          shelf.put(place, value) // frees what was there, so that the next one of its size takes its place
          expect(shelf.decoder.read(shelf.addressOf(place))).toBe(value)
          expect(shelf.decoder.read(shelf.addressOf(place))).toBe(value)
        }
      }),
    )
  })

  test('is that of its own heap, where two heaps have different strings at one address', () => {
    const [one, other] = [newShelf(), newShelf()]
    one.put(0, 'a longer string')
    other.put(0, 'another string.')
    const wordAt = (shelf: ValueShelf) => shelf.decoder.read(shelf.addressOf(0))
    expect([wordAt(one), wordAt(other), wordAt(one), wordAt(other)]).toEqual([
      'a longer string',
      'another string.',
      'a longer string',
      'another string.',
    ])
  })

  test('ends where it ends, also when zeros follow', () => {
    const shelf = newShelf()
    for (const value of ['seven b', 'seven b\0', 'seven b', 'seven b\0\0', 'seven b\0']) {
      shelf.put(0, value)
      expect(shelf.decoder.read(shelf.addressOf(0))).toBe(value)
    }
  })
})
