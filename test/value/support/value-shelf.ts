import { expect } from 'vitest'
import { walkAllocations } from '../../../src/heap/allocator-check'
import { Heap } from '../../../src/heap/heap'
import { ReferenceCensus } from '../../../src/value/check'
import { WordOrder } from '../../../src/value/compare'
import { Decoder } from '../../../src/value/decoder'
import { Encoder } from '../../../src/value/encoder'
import { Interner } from '../../../src/value/interner'
import { nativeMemory } from '../../heap/support/memories'

const SHELVES = 1024

/** A heap of values alone: numbered places that hold one word each, and what the words point at. */
export class ValueShelf {
  readonly heap = Heap.inMemory(nativeMemory())
  readonly interner = new Interner(this.heap)
  readonly decoder = new Decoder(this.heap.live)
  readonly finder = Encoder.of(this.heap.live)
  readonly order = new WordOrder(this.heap.live)
  private readonly base: number

  constructor() {
    this.base = this.transact(() => this.heap.allocator.allocateZeroed(SHELVES))
  }

  addressOf(shelf: number): number {
    return this.base + shelf
  }

  /** Stores a value, in place of what was there. */
  put(shelf: number, value: unknown): void {
    this.encode(shelf, (encoder) => encoder.value(value))
  }

  /** Stores what `encode` leaves in the encoder, in place of what was there. */
  encode(shelf: number, encode: (encoder: Interner) => void): void {
    this.transact(() => {
      const { interner } = this
      try {
        encode(interner)
      } catch (error) {
        interner.abandon()
        throw error
      }
      const address = this.addressOf(shelf)
      const { live } = this.heap
      const [low, high] = [live.low(address), live.high(address)]
      this.heap.writer.set(address, interner.low, interner.high)
      interner.release(low, high)
    })
  }

  drop(shelf: number): void {
    this.put(shelf, undefined)
  }

  get(shelf: number): unknown {
    return this.decoder.read(this.addressOf(shelf))
  }

  /** The word as text, to compare words by. */
  word(shelf: number): string {
    const address = this.addressOf(shelf)
    return `${this.heap.live.low(address)}:${this.heap.live.high(address)}`
  }

  /** The value after a way through the heap. */
  roundtrip(value: unknown): unknown {
    this.put(0, value)
    return this.get(0)
  }

  jsonRoundtrip(text: string | Uint8Array): unknown {
    const bytes = Buffer.from(text)
    this.encode(0, (encoder) => encoder.json(bytes, 0, bytes.length))
    return this.get(0)
  }

  /** Words in allocated space. */
  get allocatedWords(): number {
    return this.heap.statistics().allocatedWords
  }

  check(): void {
    const problems = this.heap.checkBlocks()
    const { live } = this.heap
    const { allocated, problems: allocatorProblems } = walkAllocations(live)
    problems.push(...allocatorProblems)
    const unowned = new Set(allocated)
    const claim = (address: number, what: string): void => {
      if (!unowned.delete(address)) problems.push(`${what} at ${address} is not allocated, or owned twice`)
    }
    const census = new ReferenceCensus()
    claim(this.base, 'the shelves')
    for (let i = 0; i < SHELVES; i++) census.word(live.low(this.base + i), live.high(this.base + i))
    census.check(live, claim, (problem) => problems.push(problem))
    for (const address of unowned) problems.push(`nothing owns ${address}`)
    expect(problems).toEqual([])
  }

  /** Proves the heap sound and gives it back. */
  async close(): Promise<void> {
    try {
      this.check()
    } finally {
      await this.heap.close()
    }
  }

  private transact<T>(change: () => T): T {
    this.heap.begin()
    try {
      const result = change()
      this.heap.commit()
      return result
    } catch (error) {
      this.heap.commit()
      throw error
    }
  }
}
