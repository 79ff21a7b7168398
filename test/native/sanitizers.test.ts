import { readdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { describe, expect, test } from 'vitest'
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
    test('is clean without N-API, and frees what it takes', () => {
      const folder = temporaryFolder()
      const program = join(folder, 'native_test')
      const native = join(ROOT, 'native')
      const sources = readdirSync(native).filter((name) => name.endsWith('.cc') && !name.startsWith('addon'))
      const flags = ['-std=c++17', '-O1', '-g', '-pthread', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']
      const compiled = run(compiler, [...flags, 'test/native_test.cc', ...sources, '-o', program], { cwd: native })
      expect(compiled).toEqual({ status: 0, signal: null, output: '' })
      expect(run(program, [folder])).toEqual({ status: 0, signal: null, output: 'native: all holds\n' })
    })

    test('is clean as the addon, in the tests of all that it does', () => {
      const { status, signal, output } = run(process.execPath, [join(ROOT, 'scripts/test-native.mjs')])
      expect({ status, signal, output }).toEqual({
        status: 0,
        signal: null,
        output: expect.stringContaining('6 passed'),
      })
    }, 300_000)
  },
)
