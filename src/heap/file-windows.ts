import { BLOCK_BYTES, WINDOW_MASK, WINDOW_SHIFT, windowBlocks } from './layout'

/**
 * A pool file seen through windows of memory: place in the file -> physical block. Windows are mapped as the file grows
 * into them and given back together.
 */
export class FileWindows {
  private readonly slots: number[] = []
  /** Where each window begins in the file, in blocks; behind the last, where it ends. */
  private readonly starts = [0]

  constructor(
    private readonly windows: {
      mapFile(fd: number, offsetBytes: number, sizeBytes: number): number
      unmap(slot: number): void
      refresh(slot: number, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void
    },
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

  physicalOf(place: number): number {
    if (place === 0) return 0
    const { starts } = this
    let window = 0
    while (place >= starts[window + 1]) window++
    return (this.slots[window] << WINDOW_SHIFT) | (place - starts[window])
  }

  /** The place of a physical block in this file, 0 when it is not in this file. */
  placeOf(physical: number): number {
    const window = this.slots.indexOf(physical >>> WINDOW_SHIFT)
    return window < 0 ? 0 : this.starts[window] + (physical & WINDOW_MASK)
  }

  release(): void {
    for (const slot of this.slots) this.windows.unmap(slot)
    this.slots.length = 0
    this.starts.length = 1
  }
}
