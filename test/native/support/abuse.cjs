// Calls the addon itself, past the checks in TypeScript, with every kind of wrong argument: it must throw, never crash.
// Usage: abuse.cjs BINARY SEED ROUNDS, in an empty folder. Prints `survived` and how many calls threw and returned.
const { openSync, writeFileSync } = require('node:fs')

const [binary, seedText, roundsText] = process.argv.slice(2)
const addon = require(binary)

let state = Number(seedText)
/** mulberry32: an integer below `limit`, reproducible by seed. */
function below(limit) {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) % limit
}
const pick = (values) => values[below(values.length)]

writeFileSync('file', new Uint8Array(1 << 20).fill(3))
const fd = openSync('file', 'r')
const detached = new ArrayBuffer(4096)
const detachedView = new Uint8Array(detached)
structuredClone(detached, { transfer: [detached] })

const windows = []
let locks = []
const numbers = [
  0,
  1,
  4095,
  4096,
  65536,
  1 << 20,
  2 ** 31,
  2 ** 31 + 4096,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 64,
  1e300,
]
const wrong = [
  -1,
  -0,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  -(2 ** 63),
  undefined,
  null,
  true,
  '',
  '0',
  'lock',
  'a\0b',
  5n,
  Symbol('s'),
]
const objects = [
  () => ({}),
  () => [],
  () => () => 0,
  () => new ArrayBuffer(4096),
  () => new SharedArrayBuffer(4096),
  () => new Uint8Array(100),
  () => new Uint8Array(new SharedArrayBuffer(64)),
  () => new Uint8Array(new ArrayBuffer(64), 5, 10),
  () => new Float64Array(10),
  () => new DataView(new ArrayBuffer(8)),
  () => Buffer.from('some bytes'),
  () => detached,
  () => detachedView,
  () => new Proxy(new ArrayBuffer(8), {}),
  () => Object.create(ArrayBuffer.prototype),
  () => Object.create(Uint8Array.prototype),
  () => new WebAssembly.Memory({ initial: 1 }).buffer,
  () => ({ byteLength: 4096, [Symbol.toStringTag]: 'ArrayBuffer' }),
  () => 'x'.repeat(below(5000)),
]

function argument() {
  const kind = below(10)
  if (kind < 3 && windows.length > 0) return pick(windows)
  if (kind < 6) return pick(numbers)
  if (kind === 6) return pick(wrong)
  if (kind === 7) return locks.length > 0 ? pick(locks) : fd
  if (kind === 8) return fd
  return pick(objects)()
}

function call(name) {
  // Of the file only the first MiB may be touched: what a window shows past the end of its file is a bus error.
  if (name === 'mapFile' && below(2) === 0) return windows.push(addon.mapFile(fd, 0, pick([4096, 65536, 1 << 20])))
  if (name === 'allocate' && below(2) === 0) return windows.push(addon.allocate(pick([4096, 1 << 20, 1 << 24])))
  if (name === 'lock' && below(2) === 0) {
    const handle = addon.lock(pick(['one.lock', 'two.lock']))
    return typeof handle === 'object' && locks.push(handle)
  }
  const args = Array.from({ length: below(7) }, argument)
  if (name === 'mapFile') return void addon.mapFile(...args)
  return addon[name](...args)
}

const names = Object.keys(addon)
let threw = 0
let returned = 0
for (let round = 0; round < Number(roundsText); round++) {
  try {
    call(pick(names))
    returned++
  } catch (error) {
    if (!(error instanceof Error)) throw error
    threw++
  }
  // Forgotten windows and locks are the collector's.
  if (windows.length > 50) windows.splice(0, 25)
  if (locks.length > 10) locks = []
  if (round % 2000 === 0) globalThis.gc?.()
}
setImmediate(() => console.log(`survived: ${threw} threw, ${returned} returned`))
