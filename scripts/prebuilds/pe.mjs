import { stringAt } from './strings.mjs'

const ARCHES = new Map([
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
])
const IS_DLL = 0x2000
const EXPORTS = 0
const IMPORTS = 1

/** A 64-bit Windows file, as Microsoft's "PE Format" describes it. */
export function inspectPe(bytes) {
  const header = bytes.readUInt32LE(0x3c) + 4
  const optional = header + 20
  const sections = sectionsOf(bytes, optional + bytes.readUInt16LE(header + 16), bytes.readUInt16LE(header + 2))
  const at = (address) => {
    const section = sections.find(({ first, size }) => address >= first && address < first + size)
    if (section === undefined) throw new Error(`No section has the address ${address}.`)
    return address - section.first + section.offset
  }
  const directory = (index) => bytes.readUInt32LE(optional + 112 + index * 8)
  return {
    format: 'PE',
    arch: ARCHES.get(bytes.readUInt16LE(header)),
    isLibrary: (bytes.readUInt16LE(header + 18) & IS_DLL) !== 0,
    isStripped: bytes.readUInt32LE(header + 8) === 0 && !sections.some(({ name }) => name.startsWith('.debug')),
    libraries: importedLibraries(bytes, directory(IMPORTS), at),
    exports: exportedNames(bytes, directory(EXPORTS), at),
  }
}

function sectionsOf(bytes, start, count) {
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * 40
    return {
      name: bytes.toString('latin1', at, at + 8),
      first: bytes.readUInt32LE(at + 12),
      size: Math.max(bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 16)),
      offset: bytes.readUInt32LE(at + 20),
    }
  })
}

function importedLibraries(bytes, table, at) {
  const found = []
  for (let entry = table === 0 ? -1 : at(table); entry >= 0 && bytes.readUInt32LE(entry + 12) !== 0; entry += 20) {
    found.push(stringAt(bytes, at(bytes.readUInt32LE(entry + 12))))
  }
  return found
}

function exportedNames(bytes, table, at) {
  if (table === 0) return []
  const entry = at(table)
  const names = at(bytes.readUInt32LE(entry + 32))
  return Array.from({ length: bytes.readUInt32LE(entry + 24) }, (_, i) =>
    stringAt(bytes, at(bytes.readUInt32LE(names + i * 4))),
  )
}
