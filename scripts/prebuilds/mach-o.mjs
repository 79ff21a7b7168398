import { stringAt } from './strings.mjs'

const ARCHES = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
])
const DYLIB = 6
const BUNDLE = 8
const LC_SYMTAB = 0x2
const LC_DYSYMTAB = 0xb
const LC_LOAD_DYLIB = 0xc
const LC_CODE_SIGNATURE = 0x1d
const LC_BUILD_VERSION = 0x32
const LC_DYLD_INFO_ONLY = 0x80000022
const LC_DYLD_EXPORTS_TRIE = 0x80000033
/** Library ordinals from 1 to this name a library. Others (0 by this linker, 0xfe by Apple's) leave the search open. */
const LAST_LIBRARY = 0xfd
const WEAK_REFERENCE = 0x40
const DEBUG = 0xe0

/** A 64-bit Mach-O file for one architecture, as <mach-o/loader.h> and <mach-o/nlist.h> describe it. */
export function inspectMachO(bytes) {
  const commands = commandsOf(bytes)
  const one = (kind) => commands.find(({ command }) => command === kind)?.at
  const type = bytes.readUInt32LE(12)
  const build = one(LC_BUILD_VERSION)
  const symbols = symbolsOf(bytes, one(LC_SYMTAB), one(LC_DYSYMTAB))
  const loads = commands.filter(({ command }) => command === LC_LOAD_DYLIB)
  return {
    format: 'Mach-O',
    arch: ARCHES.get(bytes.readUInt32LE(4)),
    isLibrary: type === DYLIB || type === BUNDLE,
    isStripped: !symbols.hasDebug,
    isSigned: one(LC_CODE_SIGNATURE) !== undefined,
    system: build === undefined ? undefined : `${bytes.readUInt16LE(build + 14)}.${bytes[build + 13]}`,
    libraries: loads.map(({ at }) => stringAt(bytes, at + bytes.readUInt32LE(at + 8))),
    exports: exportsOf(bytes, one(LC_DYLD_INFO_ONLY), one(LC_DYLD_EXPORTS_TRIE)),
    /** Only those that no library is named for: the process that loads the file must have them. */
    imports: symbols.undefined
      .filter(({ library, isWeak }) => (library === 0 || library > LAST_LIBRARY) && !isWeak)
      .map(({ name }) => name),
  }
}

function commandsOf(bytes) {
  const found = []
  for (let at = 32, left = bytes.readUInt32LE(16); left > 0; left--) {
    found.push({ command: bytes.readUInt32LE(at), at })
    at += bytes.readUInt32LE(at + 4)
  }
  return found
}

/** The compiler's names have an underscore before them. */
const withoutUnderscore = (name) => name.replace(/^_/, '')

function symbolsOf(bytes, table, dynamic) {
  if (table === undefined || dynamic === undefined) return { hasDebug: false, undefined: [] }
  const start = bytes.readUInt32LE(table + 8)
  const names = bytes.readUInt32LE(table + 16)
  const first = bytes.readUInt32LE(dynamic + 24)
  const symbols = Array.from({ length: bytes.readUInt32LE(dynamic + 28) }, (_, i) => {
    const at = start + (first + i) * 16
    const description = bytes.readUInt16LE(at + 6)
    return {
      name: withoutUnderscore(stringAt(bytes, names + bytes.readUInt32LE(at))),
      library: description >> 8,
      isWeak: (description & WEAK_REFERENCE) !== 0,
    }
  })
  const local = bytes.readUInt32LE(dynamic + 8)
  const types = Array.from({ length: bytes.readUInt32LE(dynamic + 12) }, (_, i) => bytes[start + (local + i) * 16 + 4])
  return { hasDebug: types.some((type) => (type & DEBUG) !== 0), undefined: symbols }
}

function exportsOf(bytes, info, trie) {
  const [offset, size] =
    trie !== undefined ? [trie + 8, trie + 12] : info !== undefined ? [info + 40, info + 44] : [undefined, undefined]
  if (offset === undefined || bytes.readUInt32LE(size) === 0) return []
  const start = bytes.readUInt32LE(offset)
  const found = []
  walk(bytes, start, start, '', found)
  return found.map(withoutUnderscore)
}

/** A node of the trie: what ends there, then for each child the letters that lead to it and where it is. */
function walk(bytes, start, node, prefix, found) {
  const [size, payload] = unsigned(bytes, node)
  if (size > 0) found.push(prefix)
  let at = payload + size
  for (let left = bytes[at++]; left > 0; left--) {
    const letters = stringAt(bytes, at)
    const [child, next] = unsigned(bytes, at + letters.length + 1)
    walk(bytes, start, start + child, prefix + letters, found)
    at = next
  }
}

/** A number in groups of seven bits (ULEB128), and where it ends. */
function unsigned(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, at]
  }
}
