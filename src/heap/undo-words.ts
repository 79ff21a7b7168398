import { BLOCK_SHIFT, BLOCK_WORDS, WINDOW_MASK, WINDOW_SHIFT } from './layout'
import type { Windows } from './windows'

/** What words held before an open transaction changed them in place. */
export class UndoWords {
  /** Where in physical memory: physical block * 4096 + word. */
  private places = new Float64Array(1024)
  private lows = new Int32Array(1024)
  private highs = new Int32Array(1024)
  private count = 0

  keep(physical: number, word: number, low: number, high: number): void {
    if (this.count === this.places.length) this.grow()
    const i = this.count++
    this.places[i] = physical * BLOCK_WORDS + word
    this.lows[i] = low
    this.highs[i] = high
  }

  /** Writes everything back, the newest first. */
  restore(windows: Windows): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const physical = Math.floor(this.places[i] / BLOCK_WORDS)
      const halves = windows.halves[physical >>> WINDOW_SHIFT]
      const index = (((physical & WINDOW_MASK) << BLOCK_SHIFT) | (this.places[i] % BLOCK_WORDS)) << 1
      halves[index] = this.lows[i]
      halves[index + 1] = this.highs[i]
    }
  }

  clear(): void {
    this.count = 0
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
}
