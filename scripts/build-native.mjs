// Builds the addon into native/prebuilds/<platform>-<arch>[-musl]/snapheap.node, unless it is there already, made from the
// same sources. Needs a C++17 compiler and nothing else: the N-API headers come from npm, so one binary serves every
// version of Node. On Windows node-gyp, which npm carries, finds Visual Studio.
//
//   node scripts/build-native.mjs              the binary that the package loads
//   node scripts/build-native.mjs --sanitize   native/build/sanitized/snapheap.node, under AddressSanitizer and UBSan, and
//                                              native_test beside it, of the same objects
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const native = join(dirname(fileURLToPath(import.meta.url)), '..', 'native')
const addonApi = dirname(require.resolve('node-addon-api/package.json'))
const nodeApi = dirname(require.resolve('node-api-headers/package.json'))

const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
const platform = `${process.platform}-${process.arch}${isMusl ? '-musl' : ''}`
const isSanitized = process.argv.includes('--sanitize')
const folder = isSanitized ? join(native, 'build', 'sanitized') : join(native, 'prebuilds', platform)
const binary = join(folder, 'snapheap.node')

const sources = readdirSync(native)
  .filter((name) => name.endsWith('.cc'))
  .sort()
const flags = [
  '-std=c++17',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-pthread',
  '-DNAPI_VERSION=8',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS',
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  ...(isSanitized ? ['-O0', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : ['-O3', '-DNDEBUG']),
]
const addonFlags = ['-shared', ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [])]
const includes = [`-I${addonApi}`, `-I${join(nodeApi, 'include')}`]
/** Calls what the addon is made of without N-API. Built with sanitizers only. */
const testProgram = join('test', 'native_test.cc')

function hashOfInputs() {
  const hash = createHash('sha256')
  const inputs = readdirSync(native).filter((name) => /\.(cc|h|gyp)$/.test(name))
  if (isSanitized) inputs.push(testProgram)
  for (const name of inputs.sort()) hash.update(`${name}\0`).update(readFileSync(join(native, name)))
  hash.update([...flags, ...addonFlags].join(' '))
  for (const dependency of [addonApi, nodeApi]) hash.update(require(join(dependency, 'package.json')).version)
  return hash.digest('hex')
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Runs a command; its output is shown only when it fails. */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: native, encoding: 'utf8' })
  if (result.status !== 0)
    fail(`${result.stdout ?? ''}${result.stderr ?? ''}The addon could not be built (${command}); see above.`)
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const found = candidates.find((name) => spawnSync(name, ['--version']).status === 0)
  if (found === undefined) {
    fail(
      `No C++ compiler found (tried ${candidates.join(', ')}). Install one (Debian, Ubuntu: apt install g++; Alpine: apk add g++; ` +
        'macOS: xcode-select --install) or set CXX to its name.',
    )
  }
  return found
}

function compile(output) {
  run(findCompiler(), [...flags, ...addonFlags, ...includes, ...sources, '-o', output])
}

/** The addon and the test program share their objects: the compiler takes most of the time that both take. */
function compileSanitized(output) {
  const compiler = findCompiler()
  const objects = mkdtempSync(join(folder, 'objects-'))
  const objectOf = (source) => join(objects, `${basename(source, '.cc')}.o`)
  try {
    for (const source of [...sources, testProgram]) {
      run(compiler, [...flags, ...includes, '-c', source, '-o', objectOf(source)])
    }
    const withoutNodeApi = [testProgram, ...sources.filter((name) => !name.startsWith('addon'))]
    const program = join(objects, 'native_test')
    run(compiler, [...flags, ...withoutNodeApi.map(objectOf), '-o', program])
    renameSync(program, join(folder, 'native_test'))
    run(compiler, [...flags, ...addonFlags, ...sources.map(objectOf), '-o', output])
  } finally {
    rmSync(objects, { recursive: true, force: true })
  }
}

function compileOnWindows(output) {
  const gyp = process.env.npm_config_node_gyp
  if (!gyp) fail('On Windows the addon is built by the node-gyp that npm carries. Start this by: npm run build:native')
  run(process.execPath, [gyp, 'rebuild', `--arch=${process.arch}`])
  copyFileSync(join(native, 'build', 'Release', 'snapheap.node'), output)
}

const hash = hashOfInputs()
const hashFile = `${binary}.sha256`
const isCurrent = existsSync(binary) && existsSync(hashFile) && readFileSync(hashFile, 'utf8').trim() === hash
if (isCurrent) {
  console.log(`native addon: up to date (${platform})`)
} else {
  const startedMs = performance.now()
  mkdirSync(folder, { recursive: true })
  // Renamed into place, so that whoever has the old binary loaded, or builds at the same time, is not disturbed.
  const temporary = `${binary}.${process.pid}.tmp`
  if (process.platform === 'win32') compileOnWindows(temporary)
  else if (isSanitized) compileSanitized(temporary)
  else compile(temporary)
  renameSync(temporary, binary)
  writeFileSync(hashFile, `${hash}\n`)
  console.log(`native addon: built (${platform}, ${((performance.now() - startedMs) / 1000).toFixed(1)} s)`)
}
