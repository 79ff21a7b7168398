import type { SnapheapError } from '../errors'
import { BLOCK_BYTES, WINDOW_MASK, WINDOW_SHIFT, windowBlocks } from './layout'
import type { Windows } from './windows'

/**
 * A pool file seen through windows of memory: place in the file -> physical block. Windows are mapped as the file grows
 * into them and given back together.
 */
export class FileWindows {
  private readonly slots: number[] = []
  /** Where each window begins in the file, in blocks; behind the last, where it ends. */
  private readonly starts = [0]
  /** Place -> the physical block that refuses reads of it; and back. */
  private readonly condemned = new Map<number, number>()
  private readonly condemnedPlaces = new Map<number, number>()

  constructor(
    private readonly windows: Pick<Windows, 'mapFile' | 'unmap' | 'refresh' | 'refuseReads'>,
    private readonly fd: number,
  ) {}

  /** Makes places below `blocks` readable; those from `from` on were just written. */
  cover(from: number, blocks: number): void {
    const { slots, starts, windows, fd } = this
    const mapped = slots.length
    for (let covered = starts[mapped]; covered < blocks; ) {
      const size = windowBlocks(covered, blocks - covered)
      slots.push(windows.mapFile(fd, covered * BLOCK_BYTES, size * BLOCK_BYTES))
      starts.push((covered += size))
    }
    for (let window = 0; window < mapped; window++) {
      const start = Math.max(from, starts[window])
      const size = Math.min(blocks, starts[window + 1]) - start
      if (size <= 0) continue
      const inWindow = (start - starts[window]) * BLOCK_BYTES
      windows.refresh(slots[window], fd, start * BLOCK_BYTES, inWindow, size * BLOCK_BYTES)
    }
  }

  /** The physical block that stands for a place: a condemned one's cannot be read. */
  physicalOf(place: number): number {
    if (place === 0) return 0
    return this.condemned.get(place) ?? this.mappedAt(place)
  }

  /** The place of a physical block in this file, 0 when it is not in this file. */
  placeOf(physical: number): number {
    const window = this.slots.indexOf(physical >>> WINDOW_SHIFT)
    if (window >= 0) return this.starts[window] + (physical & WINDOW_MASK)
    return this.condemnedPlaces.get(physical) ?? 0
  }

  get hasCondemned(): boolean {
    return this.condemned.size > 0
  }

  /** Whether reads of a place are refused. */
  isCondemned(place: number): boolean {
    return this.condemned.has(place)
  }

  /**
   * Makes reads of a place throw the error of `refusal`. Returns the physical block that replaces `mapped` everywhere
   * from now on; undefined if so many are refused that there is no room for more.
   */
  condemn(place: number, refusal: () => SnapheapError): { mapped: number; refused: number } | undefined {
    if (this.condemned.has(place)) return undefined
    const refused = this.windows.refuseReads(refusal)
    if (refused === undefined) return undefined
    this.condemned.set(place, refused)
    this.condemnedPlaces.set(refused, place)
    return { mapped: this.mappedAt(place), refused }
  }

  /** Where a place is in memory. */
  mappedAt(place: number): number {
    const { starts } = this
    let window = 0
    while (place >= starts[window + 1]) window++
    return (this.slots[window] << WINDOW_SHIFT) | (place - starts[window])
  }

  release(): void {
    for (const slot of this.slots) this.windows.unmap(slot)
    this.slots.length = 0
    this.starts.length = 1
  }
}
