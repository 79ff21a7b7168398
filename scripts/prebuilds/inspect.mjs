// What a binary is made for, read from the file, and whether that is what its platform needs.
import { existsSync, readFileSync } from 'node:fs'
import { inspectElf } from './elf.mjs'
import { inspectMachO } from './mach-o.mjs'
import { inspectPe } from './pe.mjs'
import { MACOS } from './platforms.mjs'

/** Node has these for every addon. */
export const NODE_SYMBOL = /^(napi|node_api)_/

/** Throws for a file of another format, or one that ends too early. */
export function inspect(bytes) {
  if (bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46) return inspectElf(bytes)
  if (bytes.length > 64 && bytes.readUInt32LE(0) === 0xfeedfacf) return inspectMachO(bytes)
  if (bytes.length > 64 && bytes.readUInt16BE(0) === 0x4d5a) return inspectPe(bytes)
  throw new Error('It is not a 64-bit ELF, Mach-O or PE file.')
}

/** What is wrong with a binary for a platform of `PLATFORMS`: a sentence for each fault. */
export function faultsOf(file, platform) {
  if (!existsSync(file)) return ['It is missing.']
  let found
  try {
    found = inspect(readFileSync(file))
  } catch (error) {
    return [`It cannot be read: ${error.message}`]
  }
  const faults = []
  const expect = (what, is, wanted) => {
    if (is !== wanted) faults.push(`${what} is ${is}, not ${wanted}.`)
  }
  expect('The format', found.format, platform.format)
  expect('The architecture', found.arch, platform.arch)
  if (faults.length > 0) return faults
  if (!found.isLibrary) faults.push('It is not a shared library.')
  if (!found.isStripped) faults.push('It is not stripped.')
  const foreign = found.libraries.filter((name) => !platform.libraries.test(name))
  if (foreign.length > 0) faults.push(`It needs libraries that not every system has: ${foreign.join(', ')}.`)
  const missing = platform.exports.filter((name) => !found.exports.includes(name))
  if (missing.length > 0) faults.push(`It does not export ${missing.join(', ')}.`)
  const surplus = found.exports.filter((name) => !platform.exports.includes(name) && !platform.alsoExports?.test(name))
  if (surplus.length > 0) faults.push(`It exports ${surplus.length} symbols too many: ${some(surplus)}.`)
  if (found.format === 'ELF') faults.push(...versionFaults(found.versions, platform.glibc))
  if (found.format === 'Mach-O') {
    expect('The oldest macOS', found.system, MACOS)
    if (!found.isSigned) faults.push('It is not signed: macOS on Apple processors does not load it.')
    const unknown = found.imports.filter((name) => !NODE_SYMBOL.test(name))
    if (unknown.length > 0) faults.push(`It needs symbols that Node does not have: ${some(unknown)}.`)
  }
  return faults
}

/** `glibc` is the newest version that may be needed, undefined where no versioned symbol may be. */
function versionFaults(versions, glibc) {
  const isAllowed = (version) => {
    const [, number] = /^GLIBC_([\d.]+)$/.exec(version) ?? []
    return number !== undefined && glibc !== undefined && compare(number, glibc) <= 0
  }
  const refused = [...new Set(versions)].filter((version) => !isAllowed(version))
  return refused.length === 0 ? [] : [`It needs ${some(refused)}; allowed is ${glibc ? `glibc ${glibc}` : 'none'}.`]
}

function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number))
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function some(names) {
  return names.length > 20 ? `${names.slice(0, 20).join(', ')} …` : names.join(', ')
}
