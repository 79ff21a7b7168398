import { stringAt } from './strings.mjs'

const ARCHES = new Map([
  [62, 'x64'],
  [183, 'arm64'],
])
const SYMTAB = 2
const DYNAMIC = 6
const DYNSYM = 11
const VERNEED = 0x6ffffffe
const DT_NEEDED = 1n
const SHARED_OBJECT = 3
const WEAK = 2

/** A 64-bit little-endian ELF file, as the "System V Application Binary Interface" describes it. */
export function inspectElf(bytes) {
  const sections = sectionsOf(bytes)
  const symbols = dynamicSymbols(bytes, sections)
  return {
    format: 'ELF',
    arch: ARCHES.get(bytes.readUInt16LE(18)),
    isLibrary: bytes.readUInt16LE(16) === SHARED_OBJECT,
    isStripped: !sections.some(({ type }) => type === SYMTAB),
    libraries: neededLibraries(bytes, sections),
    versions: neededVersions(bytes, sections),
    exports: symbols.filter(({ isDefined }) => isDefined).map(({ name }) => name),
    imports: symbols.filter(({ isDefined, isWeak }) => !isDefined && !isWeak).map(({ name }) => name),
  }
}

function sectionsOf(bytes) {
  const start = Number(bytes.readBigUInt64LE(40))
  const size = bytes.readUInt16LE(58)
  return Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => {
    const at = start + i * size
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    }
  })
}

function dynamicSymbols(bytes, sections) {
  const table = sections.find(({ type }) => type === DYNSYM)
  if (table === undefined) return []
  const names = sections[table.link].offset
  return Array.from({ length: table.size / 24 - 1 }, (_, i) => {
    const at = table.offset + (i + 1) * 24
    return {
      name: stringAt(bytes, names + bytes.readUInt32LE(at)),
      isDefined: bytes.readUInt16LE(at + 6) !== 0,
      isWeak: bytes[at + 4] >> 4 === WEAK,
    }
  })
}

function neededLibraries(bytes, sections) {
  const dynamic = sections.find(({ type }) => type === DYNAMIC)
  if (dynamic === undefined) return []
  const found = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (bytes.readBigInt64LE(at) !== DT_NEEDED) continue
    found.push(stringAt(bytes, sections[dynamic.link].offset + Number(bytes.readBigUInt64LE(at + 8))))
  }
  return found
}

/** Versions of symbols that libraries must have, such as GLIBC_2.17. */
function neededVersions(bytes, sections) {
  const table = sections.find(({ type }) => type === VERNEED)
  if (table === undefined) return []
  const names = sections[table.link].offset
  const found = []
  for (let at = table.offset, left = table.info; left > 0; left--) {
    let version = at + bytes.readUInt32LE(at + 8)
    for (let i = bytes.readUInt16LE(at + 2); i > 0; i--) {
      found.push(stringAt(bytes, names + bytes.readUInt32LE(version + 8)))
      version += bytes.readUInt32LE(version + 12)
    }
    at += bytes.readUInt32LE(at + 12)
  }
  return found
}
