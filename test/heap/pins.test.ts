import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Pin, Pins } from '../../src/heap/pins'
import { Windows } from '../../src/heap/windows'
import { realWorld } from '../../src/heap/world'
import { HEAP_MEMORIES } from '../support/heap'

const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pin' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pinSame' as const), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('birth' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('replace' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leaveFile' as const) }) },
)

/** Something that came and went: seen by the pins taken in between. */
interface Retired {
  readonly birth: number
  readonly death: number
  readonly isFreed: () => boolean
}

function sees(pin: Pin, { birth, death }: Retired): boolean {
  return birth <= pin.epoch && pin.epoch < death
}

describe.each(HEAP_MEMORIES)('pins on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('a block is freed when the last pin that can see it is released, neither earlier nor later', () => {
    const windows = new Windows(memory)
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const pins = new Pins(windows, realWorld)
        const held: Pin[] = []
        const living: { physical: number; birth: number }[] = []
        const retired: Retired[] = []
        for (const each of operations) {
          if (each.kind === 'pin') held.push(pins.pin(new Uint32Array(1), 'test'))
          else if (each.kind === 'birth') living.push({ physical: windows.takeBlock(), birth: pins.epoch })
          else if (each.kind === 'leaveFile') {
            let isFreed = false
            retired.push({ birth: 0, death: pins.epoch, isFreed: () => isFreed })
            pins.retire(() => {
              isFreed = true
            })
          } else if (each.kind === 'replace' && living.length > 0) {
            const [{ physical, birth }] = living.splice(each.which % living.length, 1)
            retired.push({ birth, death: pins.epoch, isFreed: freedOnce(windows, pins, physical) })
            pins.retireBlock(physical, birth)
          } else if (each.kind === 'pinSame' && held.length > 0) {
            held.push(pins.pinSame(held[each.which % held.length], 'same'))
          } else if (each.kind === 'release' && held.length > 0) {
            const [pin] = held.splice(each.which % held.length, 1)
            pins.release(pin)
            pins.release(pin)
          }
          expect(pins.newest).toBe(Math.max(0, ...held.map((pin) => pin.epoch)))
          expect(new Set(pins.all)).toEqual(new Set(held))
          for (const other of retired) expect(other.isFreed()).toBe(!held.some((pin) => sees(pin, other)))
        }
        pins.clear()
        expect(retired.every((other) => other.isFreed())).toBe(true)
        expect([pins.newest, pins.all, pins.retained]).toEqual([0, [], []])
        for (const { physical } of living) windows.giveBlock(physical)
        expect(windows.arenaBlocks).toBe(0)
      }),
      { numRuns: 200 },
    )
    windows.close()
  })
})

/** Tells whether a block that is being retired has been freed, also once it is in use again. */
function freedOnce(windows: Windows, pins: Pins, physical: number): () => boolean {
  let wasFreed = false
  return () => {
    wasFreed ||= windows.freeBlocks().includes(physical) || !pins.retained.some((each) => each.physical === physical)
    return wasFreed
  }
}
