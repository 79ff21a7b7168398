import { BLOCK_WORDS } from '../heap/layout'
import { View } from '../heap/view'
import { Encoder } from './encoder'
import { InternTables, OBJECT_HEADER_WORDS, wordsOf } from './intern-tables'
import { highOf } from './word'

/** Room for a few values; most need none. */
const FIRST_WORDS = 64

const numberScratch = new Float64Array(1)
const numberHalves = new Int32Array(numberScratch.buffer)

/** A word that is held outside the heap, with the view that its pointer leads into. Reused by whoever compares. */
export class LooseWord {
  low = 0
  high = 0
  /**
   * The word as a double: absent words read 0, tagged words NaN. Begins as a fraction, so that engines keep it unboxed
   * in place.
   */
  number = 0.5

  constructor(public view: View) {
    this.number = 0
  }

  set(view: View, low: number, high: number): void {
    this.view = view
    this.low = low
    this.high = high
    numberHalves[0] = low
    numberHalves[1] = high
    this.number = numberScratch[0]
  }

  /** Takes the word at an address of a view; address 0 is an absent word. */
  load(view: View, address: number): void {
    if (address === 0) this.set(view, 0, 0)
    else this.set(view, view.low(address), view.high(address))
  }
}

/**
 * Turns values into words without looking at any heap: what a word points at lies in memory of its own, the `view`. For
 * comparing stored words with values that may be stored nowhere.
 */
export class LooseEncoder extends Encoder {
  readonly view: View
  private readonly numbers: Float64Array[]
  private readonly halves: Int32Array[]
  private readonly buffers: Buffer[]
  /**
   * Words in use. Not initialized here: the step that makes CommonJS of the bundle misplaces that behind a merged
   * `super`.
   */
  private used: number

  constructor() {
    const numbers = [new Float64Array(FIRST_WORDS)]
    const halves = [new Int32Array(numbers[0].buffer)]
    const buffers = [Buffer.from(numbers[0].buffer)]
    const view = new View(new Uint32Array(1), { numbers, halves, bytes: buffers, buffers: [], memory: {} })
    super(new InternTables(view))
    this.view = view
    this.numbers = numbers
    this.halves = halves
    this.buffers = buffers
    this.used = 1
  }

  /** Forgets every word so far: what they point at may be overwritten. */
  clear(): void {
    this.used = 1
  }

  /** The word encoded last. */
  word(): LooseWord {
    const word = new LooseWord(this.view)
    word.set(this.view, this.low, this.high)
    return word
  }

  protected override place(tag: number, sizeBytes: number): void {
    this.scratch.pad(sizeBytes)
    const words = wordsOf(sizeBytes)
    this.reserve(this.used + OBJECT_HEADER_WORDS + words)
    const [halves] = this.halves
    halves[this.used * 2] = sizeBytes
    halves.set(this.scratch.halves.subarray(0, words * 2), (this.used + OBJECT_HEADER_WORDS) * 2)
    this.low = this.used | 0
    this.high = highOf(tag)
    this.used += OBJECT_HEADER_WORDS + words
  }

  private reserve(words: number): void {
    if (words <= this.numbers[0].length) return
    const grown = new Float64Array(words * 2)
    grown.set(this.numbers[0])
    this.numbers[0] = grown
    this.halves[0] = new Int32Array(grown.buffer)
    this.buffers[0] = Buffer.from(grown.buffer)
    this.view.table = Uint32Array.from({ length: Math.ceil(grown.length / BLOCK_WORDS) }, (_, i) => i)
  }
}
