import { isAbsolute, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../heap/support/memories'
import { ROOT, run } from './support/binary'

const compiler = process.env.CXX ?? 'c++'
/** Compilers come with the sanitizers nearly everywhere; those of musl do not. */
const hasSanitizers =
  process.platform === 'linux' &&
  ['libasan.so', 'libubsan.so'].every((name) => isAbsolute(run(compiler, [`-print-file-name=${name}`]).output.trim()))

describe.skipIf(!hasSanitizers)(
  `native code under AddressSanitizer and UBSan${hasSanitizers ? '' : ' (there are none)'}`,
  () => {
    const built = join(ROOT, 'native/build/sanitized')
    beforeAll(() => {
      const { output } = run(process.execPath, [join(ROOT, 'scripts/build-native.mjs'), '--sanitize'])
      expect(output).toMatch(/^native addon: /)
    }, 600_000)

    test('is clean without N-API, and frees what it takes', () => {
      const outcome = run(join(built, 'native_test'), [temporaryFolder()])
      expect(outcome).toEqual({ status: 0, signal: null, output: 'native: all holds\n' })
    }, 600_000)

    // The tests of all that it does, under the same sanitizers, take minutes: npm run test:native
    test('is clean as the addon, whatever it is called with', () => {
      const runtime = (name: string) => run(compiler, [`-print-file-name=${name}`]).output.trim()
      // The engine itself is not instrumented and frees nothing at exit: only errors count, not leaks.
      const env = {
        ...process.env,
        LD_PRELOAD: `${runtime('libasan.so')} ${runtime('libubsan.so')}`,
        ASAN_OPTIONS: 'detect_leaks=0',
      }
      const script = join(ROOT, 'test/native/support/abuse.cjs')
      const binary = join(built, 'snapheap.node')
      const outcome = run(process.execPath, ['--expose-gc', script, binary, '20', '20000'], {
        cwd: temporaryFolder(),
        env,
      })
      expect(outcome).toEqual({ status: 0, signal: null, output: expect.stringMatching(/^survived: /) })
    }, 600_000)
  },
)
