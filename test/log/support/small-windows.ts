import type { Memory } from '../../../src/heap/memory'

/** Enough for a small database. */
const WINDOW_BYTES = 4 << 20

/**
 * A memory whose windows are small and, where they are no file's, used again: running the garbage collector for each
 * window of the usual size is most of what opening a small database costs. A database that grows beyond a window fails.
 */
export function smallWindows(memory: Memory): Memory {
  const cut = (sizeBytes: number): number => Math.min(sizeBytes, WINDOW_BYTES)
  const own = new Set<ArrayBuffer>()
  const free: ArrayBuffer[] = []
  return Object.assign(Object.create(memory) as Memory, {
    mapFile: (fd: number, offsetBytes: number, sizeBytes: number) => memory.mapFile(fd, offsetBytes, cut(sizeBytes)),
    allocate: (sizeBytes: number) => {
      const size = cut(sizeBytes)
      const at = free.findIndex((each) => each.byteLength === size)
      const window = at < 0 ? memory.allocate(size) : free.splice(at, 1)[0]
      own.add(window)
      return window
    },
    unmap: (window: ArrayBuffer) => {
      if (!own.delete(window)) return memory.unmap(window)
      memory.advise(window, 0, window.byteLength, 'dontneed')
      free.push(window)
    },
  })
}
