// The cross-compiler: zig, which brings a clang, a linker and the C and C++ libraries of every platform. It comes from
// npm, as native/toolchain/package-lock.json pins it, and is installed by the first call. It keeps compiled libraries
// in .cache/zig.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { flags, includes, native, optimised, root, sources } from '../native-sources.mjs'
import { windowsStub } from './windows-stub.mjs'

const toolchain = join(native, 'toolchain')
const lockFile = join(toolchain, 'package-lock.json')
const zig = join(toolchain, 'node_modules', '@ryoppippi', 'zig-linux-x64', 'zig')
const cache = join(root, '.cache', 'zig')
/** Compiling the C++ library of one platform on a slow machine takes minutes. */
const MOST_MS = 60 * 60_000

/** Changes with the compiler and with how it is called for a platform. */
export function hashOfRecipe(platform) {
  const parts = [readFileSync(lockFile), JSON.stringify(flagsFor(platform))]
  if (platform.format === 'ELF') parts.push(readFileSync(join(toolchain, 'exports.map')))
  if (platform.format === 'PE') parts.push(windowsStub(['symbol']))
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Throws where it cannot be installed. */
export function installCompiler() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      'The cross-compiler is pinned for Linux x64: run this there. npm run build:native builds for this machine.',
    )
  }
  const marker = join(toolchain, 'node_modules', '.installed')
  const wanted = createHash('sha256').update(readFileSync(lockFile)).digest('hex')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return
  process.stdout.write('Installing the cross-compiler from npm (347 MB) …\n')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', args, { cwd: toolchain, stdio: 'inherit', timeout: MOST_MS })
  if (status !== 0) throw new Error('The cross-compiler could not be installed; see above.')
  writeFileSync(marker, wanted)
}

/**
 * Compiles the addon for a platform into `output`, at once or not at all. `nodeSymbols` are the functions of Node that
 * it calls. `check` is given the new file before it takes the place of `output`, and throws to keep it from that.
 */
export function compile(platform, nodeSymbols, output, check) {
  mkdirSync(join(native, 'build'), { recursive: true })
  mkdirSync(dirname(output), { recursive: true })
  const folder = mkdtempSync(join(native, 'build', `${platform.name}-`))
  try {
    const further = []
    if (platform.format === 'PE') {
      further.push(join(folder, 'node_symbols.cc'))
      writeFileSync(further[0], windowsStub(nodeSymbols))
    }
    const made = join(folder, 'snapheap.node')
    const args = ['c++', ...flagsFor(platform), ...includes, ...sources, ...further, '-o', made]
    const { status, stdout, stderr, error } = spawnSync(zig, args, {
      cwd: native,
      encoding: 'utf8',
      timeout: MOST_MS,
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
    })
    if (status !== 0) throw new Error(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim())
    check(made)
    renameSync(made, output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function flagsFor({ target, flags: own }) {
  return ['-target', target, ...flags, ...optimised, '-s', '-shared', ...own]
}
