// Builds the addon for this machine into native/prebuilds/<platform>-<arch>[-musl]/snapheap.node, unless it is there
// already, made from the same sources, by this or by prebuilds.mjs. Needs a C++17 compiler and nothing else: the N-API
// headers come from npm, so one binary serves every version of Node. On Windows node-gyp, which npm carries, finds
// Visual Studio.
//
//   node scripts/build-native.mjs              the binary that the package loads
//   node scripts/build-native.mjs --sanitize   native/build/sanitized/snapheap.node, under AddressSanitizer and UBSan,
//                                              and native_test beside it, of the same objects
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  binaryOf,
  flags as commonFlags,
  hashOfSources,
  includes,
  markOf,
  native,
  optimised,
  sources,
} from './native-sources.mjs'

const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
const platform = `${process.platform}-${process.arch}${isMusl ? '-musl' : ''}`
const isSanitized = process.argv.includes('--sanitize')
const binary = isSanitized ? join(native, 'build', 'sanitized', 'snapheap.node') : binaryOf(platform)
const folder = dirname(binary)

const sanitized = ['-O0', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']
const flags = [...commonFlags, '-fPIC', ...(isSanitized ? sanitized : optimised)]
const addonFlags = ['-shared', ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [])]
/** Calls what the addon is made of without N-API. Built with sanitizers only. */
const testProgram = join('test', 'native_test.cc')

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
      `No C++ compiler found (tried ${candidates.join(', ')}). Install one (Debian, Ubuntu: apt install g++; ` +
        'Alpine: apk add g++; macOS: xcode-select --install) or set CXX to its name.',
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

const hash = hashOfSources(isSanitized ? [testProgram] : [])
const isCurrent = markOf(binary)[0] === hash
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
  writeFileSync(`${binary}.sha256`, `${hash}\n`)
  console.log(`native addon: built (${platform}, ${((performance.now() - startedMs) / 1000).toFixed(1)} s)`)
}
