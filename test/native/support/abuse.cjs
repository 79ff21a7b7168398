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
const written = openSync('written', 'w')
const detached = new ArrayBuffer(4096)
const detachedView = new Uint8Array(detached)
structuredClone(detached, { transfer: [detached] })

const windows = []
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

/** What the loops over many words take: arguments that fit each other nearly always, over words that are anything. */
const SHAPES = {
  groupTexts: () => [index(), bytes(), ...fields(), words(), small(), words()],
  findTexts: () => [bytes(), ...fields().slice(0, 2), words(), small(), ...heap(), index()],
  orderTexts: () => [bytes(), ...fields().slice(0, 2), words(), small(), small(), halves(), halves()],
  layTexts: () => [bytes(), ...fields().slice(0, 2), words(), halves(), halves(), 0, small(), small(), words()],
  settleTexts: () => [words(), words(), small(), small()],
  orderLists: () => [...groups(), small(), small(), halves(), halves(), halves(), halves()],
  layLists: () => [
    ...groups(),
    ...heap(),
    index(),
    halves(),
    halves(),
    0,
    small(),
    pick([3, 4, 5]),
    pick([5, 8]),
    halves(),
    words(),
    small(),
  ],
  fillSegment: () => [halves(), halves(), halves(), 0, small(), pick([0, 1, 3, 7, 15]), words(), small()],
  splitSegment: () => [
    words(),
    small(),
    small(),
    anyHalf() >>> 4,
    pick([0, 1, 3, 7]),
    words(),
    small(),
    words(),
    small(),
    halves(),
  ],
  prefetchPlaces: () => [...heap(), index(), halves(), 0, small()],
  splitLines: () => [...received(), small(), words()],
  prepareLines: () => [...received(), kinds(), index(), words(), words(), words()],
  parseNumbers: () => [bytes(), ...fields(), below(2), words(), small()],
  countWords: () => [...heap(), index(), small(), index(), below(40), halves()],
  sortWords: () => [...heap(), index(), small(), index(), below(40), index(), small(), halves(), words()],
  scanWords: () => [
    ...heap(),
    steps(),
    words(),
    halves(),
    index(),
    pick([0, 4096, 4096, 8192]),
    pick([4096, 9000]),
    found(),
  ],
  numberWords: () => [...heap(), index(), index(), words(), small(), small(), ...dictionary(), words(), words()],
  numberPairs: () => [words(), words(), small(), small(), ...dictionary(), words()],
  gatherNumbers: () => [
    ...heap(),
    index(),
    index(),
    words(),
    Int32Array.from({ length: 60 }, () => below(12)),
    0,
    small(),
    below(5),
    new Float64Array(10),
    new Float64Array(10),
  ],
  sortIndex: () => [...unmapped(), index(), small(), index(), small(), small(), halves(), halves(), halves(), halves()],
  writeBeside: () => [pick([fd, written, written, 2 ** 31 - 1]), ranges(), pick(numbers)],
  groupRecords: () => [words(), small(), small(), halves(), small(), halves(), halves(), small()],
}
const small = () => pick([0, 0, 1, 2, 3, 10, 60])
const index = () => pick([0, 1, 4095, 4096, 4097, below(20000), 2 ** 32 - 1])
const anyHalf = () => pick([0, 1, 2, 8 << 8, 3 << 8, 4096, below(20000), below(2 ** 32), -1])
const halves = () => Uint32Array.from({ length: pick([0, 4, 60, 300]) }, anyHalf)
const words = () => Int32Array.from({ length: pick([0, 4, 60, 300, 300]) }, anyHalf)
const groups = () => [halves(), small(), halves().map((_, i) => i * pick([1, 1, 2])), small()]
const received = () => [messages(), small(), pick([0, 1, 2, 2, 2, 3, 60]), small(), words(), words()]
const kinds = () => Uint8Array.from({ length: pick([0, 2, 4, 60]) }, () => pick([0, 1, 2, 3, 3, 255]))
const shared = new Int32Array(300)
const bytes = () => Uint8Array.from({ length: 200 }, () => pick([48, 49, 57, 45, 46, 9, 10, 92, 97, 255]))
const fields = () => {
  const starts = Int32Array.from({ length: 60 }, () => (below(20) === 0 ? below(2 ** 32) : below(150)))
  const ends = starts.map((start) => (below(20) === 0 ? -1 : start + below(50)))
  return [below(20) === 0 ? shared : starts, below(20) === 0 ? shared : ends, small(), small()]
}
/** Tests in postfix order that nearly always fit together, of words of up to three arrays. */
const steps = () => {
  const made = []
  for (let depth = 0; made.length < 60 && (depth !== 1 || below(3) > 0); ) {
    const kind = depth < 2 ? below(4) : below(7)
    depth += kind < 4 ? 1 : kind < 6 ? -1 : 0
    const [low, high] = kind === 1 ? [below(3), small()] : [anyHalf(), below(3) === 0 ? anyHalf() : 0x7ff10000]
    made.push(kind, below(3), pick([0, 1, 2, 3, 99]), below(65536), low, high)
  }
  return Int32Array.from(made)
}
const found = () => new Int32Array(pick([0, 0, 60, 9000]))
const ranges = () =>
  Array.from({ length: below(4) }, () => pick([bytes, bytes, () => new Uint8Array(1 << 17), () => detachedView])())
const dictionary = () => {
  const places = pick([() => new Int32Array(pick([4, 64, 256])), () => new Int32Array(64).fill(below(3)), words])()
  return [places, Int32Array.of(pick([0, 0, 1, 3, 99, -1]))]
}
/** A block table that leads into windows, and sometimes out of them. */
const heap = () => {
  const [table, buffers] = unmapped()
  return [table, [...buffers, ...(windows.length > 0 ? [pick(windows)] : [])]]
}
/** The same without windows that may be given back while a thread still reads them. */
const unmapped = () => {
  const window = new ArrayBuffer(3 * 32768)
  const content = new Int32Array(window)
  for (let i = 0; i < 400; i++) content[below(content.length)] = anyHalf()
  const table = Uint32Array.from({ length: 8 }, () => pick([0, 1, 2, 65536, 65537, 65538, below(2 ** 32)]))
  return [table, [new ArrayBuffer(32768), window, undefined]]
}
const messages = () => {
  const line = () =>
    Buffer.from(`d\0\0\0${String.fromCharCode(below(12))}${pick(['1\t2\n', '\\N\n', '\\', '1\\\n\n', ''])}`)
  return new Uint8Array(Buffer.concat(Array.from({ length: below(8) }, line)))
}

function argument() {
  const kind = below(10)
  if (kind < 3 && windows.length > 0) return pick(windows)
  if (kind < 6) return pick(numbers)
  if (kind === 6) return pick(wrong)
  if (kind < 9) return fd
  return pick(objects)()
}

function call(name) {
  // Of the file only the first MiB may be touched: what a window shows past the end of its file is a bus error.
  if (name === 'mapFile' && below(2) === 0) return windows.push(addon.mapFile(fd, 0, pick([4096, 65536, 1 << 20])))
  if (name === 'allocate' && below(2) === 0) return windows.push(addon.allocate(pick([4096, 1 << 20, 1 << 24])))
  if (SHAPES[name] !== undefined && below(10) !== 0) {
    const given = SHAPES[name]()
    if (below(8) === 0) given[below(given.length)] = argument()
    return addon[name](...given)
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
    const result = call(pick(names))
    if (result instanceof Promise) result.catch(() => undefined) // what threads find wrong
    returned++
  } catch (error) {
    if (!(error instanceof Error)) throw error
    threw++
  }
  // Forgotten windows are the collector's.
  if (windows.length > 50) windows.splice(0, 25)
  if (round % 2000 === 0) globalThis.gc?.()
}
setImmediate(() => console.log(`survived: ${threw} threw, ${returned} returned`))
