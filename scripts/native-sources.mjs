// What the addon is made of, whoever compiles it: build-native.mjs for this machine, prebuilds.mjs for all platforms.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const native = join(root, 'native')

const addonApi = dirname(require.resolve('node-addon-api/package.json'))
const nodeApi = dirname(require.resolve('node-api-headers/package.json'))

/** Names in `native`, which is the working directory of the compiler. */
export const sources = readdirSync(native)
  .filter((name) => name.endsWith('.cc'))
  .sort()

export const includes = [`-I${addonApi}`, `-I${join(nodeApi, 'include')}`]

export const flags = [
  '-std=c++17',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-pthread',
  '-DNAPI_VERSION=8',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS',
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
]

export const optimised = ['-O3', '-DNDEBUG']

/** Changes with the sources, further files of `native`, the common flags and the headers from npm. */
export function hashOfSources(further = []) {
  const hash = createHash('sha256')
  const names = readdirSync(native).filter((name) => /\.(cc|h|gyp)$/.test(name))
  for (const name of [...names, ...further].sort()) hash.update(`${name}\0`).update(readFileSync(join(native, name)))
  for (const folder of [addonApi, nodeApi]) hash.update(require(join(folder, 'package.json')).version)
  hash.update([...flags, ...optimised].join(' '))
  return hash.digest('hex')
}

export function binaryOf(platform) {
  return join(native, 'prebuilds', platform, 'snapheap.node')
}

/**
 * Beside a binary lies what it was made from: the hash of the sources, and the hash of the release recipe if
 * prebuilds.mjs made it.
 */
export function markOf(binary) {
  const file = `${binary}.sha256`
  if (!existsSync(binary) || !existsSync(file)) return []
  return readFileSync(file, 'utf8').trim().split('\n')
}
