// A worker that takes and gives windows without end, to be terminated at any moment.
const { readSync, openSync } = require('node:fs')
const { parentPort, workerData } = require('node:worker_threads')

const { binary, file, lock } = workerData
const addon = require(binary)
const fd = openSync(file, 'r')
const held = [addon.lock(lock), addon.mapFile(fd, 0, 2 ** 31), addon.allocate(2 ** 31)]
new Uint8Array(held[2])[12345] = 1
parentPort.postMessage(typeof held[0])

for (;;) {
  const window = addon.allocate(2 ** 31)
  const view = new Uint8Array(window)
  view[0] = readSync(fd, view, 4096, 4096, 0)
  addon.advise(window, 0, 8192, 4)
  addon.copy(held[2], 0, addon.mapFile(fd, 0, 4096), 0, 4096)
  addon.crc32c(view.subarray(0, 65536), 0)
  addon.unmap(window)
}
