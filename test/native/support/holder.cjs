// A worker that takes and gives windows without end, to be terminated at any moment.
const { readSync, openSync } = require('node:fs')
const { parentPort, workerData } = require('node:worker_threads')

const { binary, file, lock } = workerData
const addon = require(binary)
const fd = openSync(file, 'r')
const held = [addon.lockFile(openSync(lock, 'w')), addon.mapFile(fd, 0, 2 ** 31), addon.allocate(2 ** 31)]
new Uint8Array(held[2])[12345] = 1
// In a thread of the pool, which reads a window and writes arrays for as long as it takes: longer than this worker
// lives.
const words = 2 ** 18
const table = Uint32Array.from({ length: words / 4096 }, (_, block) => block)
new Float64Array(held[2]).fill(1.5, 0, words)
const arrays = [words, words, words, 2].map((length) => new Uint32Array(length))
addon.sortIndex(table, [held[2]], 0, words, 7, 1024, words, ...arrays)
addon.writeBeside?.(openSync(`${lock}-written`, 'w'), [new Uint8Array(held[2], 0, 2 ** 22)], 0)
parentPort.postMessage(held[0])

for (;;) {
  const window = addon.allocate(2 ** 31)
  const view = new Uint8Array(window)
  view[0] = readSync(fd, view, 4096, 4096, 0)
  addon.advise(window, 0, 8192, 4)
  addon.copy(held[2], 0, addon.mapFile(fd, 0, 4096), 0, 4096)
  addon.crc32c(view.subarray(0, 65536), 0)
  addon.unmap(window)
}
