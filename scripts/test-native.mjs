// Runs the tests of what native code does with the addon under AddressSanitizer and UBSan: anything that reads or
// writes outside its memory ends its process, and so its test. Needs Linux and GCC with its libraries of the two.
//
//   npm run test:native
import { spawnSync } from 'node:child_process'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = process.env.CXX ?? 'c++'

// Every function of the addon is called by one of these.
const files = [
  'test/native/addon.test.ts',
  'test/heap/memory.test.ts',
  'test/heap/files.test.ts',
  'test/value/texts.test.ts',
  'test/table/insert-many.test.ts',
  'test/table/index-builder.test.ts',
  'test/mirror/row-loader.test.ts',
  'test/struct/posting-lists.test.ts',
  'test/query/table-scan.test.ts',
]
// A window in JavaScript's own memory is one allocation of 2 GiB, which the sanitizer marks byte by byte.
const withoutPlainMemory = '^(?!.*\\b(plain|mmap-io) (memory|lock))'

const runtimes = ['libasan.so', 'libubsan.so'].map(
  (name) => spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim() ?? '',
)
if (!runtimes.every(isAbsolute)) {
  process.stderr.write(`${compiler} has no sanitizers. Set CXX to a GCC on Linux that has libasan and libubsan.\n`)
  process.exit(1)
}

run(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--sanitize'])
run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '-t', withoutPlainMemory, ...files], {
  LD_PRELOAD: runtimes.join(' '),
  // The engine itself is not instrumented and frees nothing at exit: only errors count, not leaks.
  ASAN_OPTIONS: 'detect_leaks=0',
  NODE_OPTIONS: `--require ${JSON.stringify(join(root, 'scripts', 'sanitized-addon.cjs'))}`,
})

function run(command, args, env = {}) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status === 0) return
  if (signal !== null) process.stderr.write(`${command} was ended by ${signal}\n`)
  process.exit(1)
}
