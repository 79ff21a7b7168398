import { HALF_WORDS } from './changes'
import { BLOCK_SHIFT, BLOCK_WORDS, WINDOW_MASK, WINDOW_SHIFT } from './layout'
import type { Windows } from './windows'

/** What words held before an open transaction changed them in place. */
export class UndoWords {
  /** Where in physical memory: physical block * 4096 + word. */
  private places = new Float64Array(1024)
  private lows = new Int32Array(1024)
  private highs = new Int32Array(1024)
  private count = 0
  /** The same of runs of words, each as long as a half of a bitmap: where they begin, and what they held. */
  private runPlaces = new Float64Array(64)
  private runHalves = new Int32Array(64 * HALF_WORDS * 2)
  private runs = 0

  keep(physical: number, word: number, low: number, high: number): void {
    if (this.count === this.places.length) this.grow()
    const i = this.count++
    this.places[i] = physical * BLOCK_WORDS + word
    this.lows[i] = low
    this.highs[i] = high
  }

  /** Keeps a run of words, which stand in `halves` from `index` on. */
  keepRun(physical: number, word: number, halves: Int32Array, index: number): void {
    if (this.runs === this.runPlaces.length) this.growRuns()
    const { runHalves } = this
    const to = this.runs * HALF_WORDS * 2
    for (let i = 0; i < HALF_WORDS * 2; i++) runHalves[to + i] = halves[index + i]
    this.runPlaces[this.runs++] = physical * BLOCK_WORDS + word
  }

  /** Writes everything back. Every word was kept once, so the order does not matter. */
  restore(windows: Windows): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const { halves, index } = placeOf(windows, this.places[i])
      halves[index] = this.lows[i]
      halves[index + 1] = this.highs[i]
    }
    for (let i = 0; i < this.runs; i++) {
      const { halves, index } = placeOf(windows, this.runPlaces[i])
      halves.set(this.runHalves.subarray(i * HALF_WORDS * 2, (i + 1) * HALF_WORDS * 2), index)
    }
  }

  clear(): void {
    this.count = 0
    this.runs = 0
  }

  private grow(): void {
    const { places, lows, highs } = this
    this.places = new Float64Array(this.count * 2)
    this.lows = new Int32Array(this.count * 2)
    this.highs = new Int32Array(this.count * 2)
    this.places.set(places)
    this.lows.set(lows)
    this.highs.set(highs)
  }

  private growRuns(): void {
    const { runPlaces, runHalves } = this
    this.runPlaces = new Float64Array(this.runs * 2)
    this.runHalves = new Int32Array(runHalves.length * 2)
    this.runPlaces.set(runPlaces)
    this.runHalves.set(runHalves)
  }
}

/** Where a place in physical memory is in the windows. */
function placeOf(windows: Windows, place: number): { halves: Int32Array; index: number } {
  const physical = Math.floor(place / BLOCK_WORDS)
  const halves = windows.halves[physical >>> WINDOW_SHIFT]
  return { halves, index: (((physical & WINDOW_MASK) << BLOCK_SHIFT) | (place % BLOCK_WORDS)) << 1 }
}
