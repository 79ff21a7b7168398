import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../heap/support/memories'
import { addonBinary, ROOT, run } from './support/binary'

const scripts = join(ROOT, 'scripts/prebuilds')
const { faultsOf, inspect } = await import(pathToFileURL(join(scripts, 'inspect.mjs')).href)
const { PLATFORMS } = await import(pathToFileURL(join(scripts, 'platforms.mjs')).href)
const linux = PLATFORMS[0]

/** The bytes of this machine's own binary. */
const own = (): Buffer => readFileSync(addonBinary())

function faultsOfBytes(bytes: Buffer, platform = linux): string {
  const file = join(temporaryFolder(), 'snapheap.node')
  writeFileSync(file, bytes)
  return faultsOf(file, platform).join('\n')
}

const isElf = process.platform === 'linux' && process.arch === 'x64'

describe.skipIf(!isElf)(`the check of a binary${isElf ? '' : ' (not run: this is not Linux x64)'}`, () => {
  test('reads what Node looks up in it and what it looks up in Node', () => {
    const found = inspect(own())
    expect(found).toMatchObject({ format: 'ELF', arch: 'x64', isLibrary: true })
    expect(found.exports).toEqual(expect.arrayContaining(linux.exports))
    expect(found.imports).toEqual(expect.arrayContaining(['napi_create_function', 'napi_create_external_arraybuffer']))
  })

  test('refuses one for another architecture, system or format', () => {
    const bytes = own()
    expect(
      faultsOfBytes(
        bytes,
        PLATFORMS.find(({ name }: { name: string }) => name === 'darwin-x64'),
      ),
    ).toContain('The format is ELF, not Mach-O.')
    bytes.writeUInt16LE(183, 18)
    expect(faultsOfBytes(bytes)).toContain('The architecture is arm64, not x64.')
    expect(faultsOfBytes(Buffer.from('#!/bin/sh\n'))).toContain('It cannot be read')
    expect(faultsOfBytes(own().subarray(0, 200))).toContain('It cannot be read')
    expect(faultsOf(join(temporaryFolder(), 'none'), linux)).toEqual(['It is missing.'])
  })

  test('refuses one that needs a newer glibc, or a library of its compiler', () => {
    const compiler = process.env.CXX ?? 'c++'
    const folder = temporaryFolder()
    const source = join(folder, 'library.cc')
    writeFileSync(source, '#include <string>\nstd::string* made() { return new std::string("a"); }\n')
    const made = join(folder, 'snapheap.node')
    expect(run(compiler, ['-shared', '-fPIC', source, '-o', made]).output).toBe('')
    const faults = faultsOf(made, linux).join('\n')
    expect(faults).toContain('It needs libraries that not every system has: libstdc++.so.6')
    expect(faults).toMatch(/It needs (.*, )?(GLIBCXX|CXXABI)_[\d.]+/)
    expect(faults).toContain('It does not export napi_register_module_v1')
    expect(faults).toMatch(/It exports \d+ symbols too many: .*made/)
    expect(faults).toContain('It is not stripped.')

    writeFileSync(
      source,
      '#include <string.h>\nextern "C" void* made(void* a, void* b, size_t n) { return memcpy(a, b, n); }',
    )
    run(compiler, ['-shared', '-fPIC', source, '-o', made])
    const bytes = readFileSync(made)
    const at = bytes.indexOf('GLIBC_2.')
    expect(at).toBeGreaterThan(0)
    bytes.write('GLIBC_9.', at)
    expect(faultsOfBytes(bytes)).toMatch(/It needs GLIBC_9\.[\d.]+; allowed is glibc 2\.28\./)
  })
})

test('a release is refused without the binaries of all platforms', () => {
  const missing = PLATFORMS.filter(({ name }: { name: string }) => {
    return !existsSync(join(ROOT, 'native/prebuilds', name, 'snapheap.node'))
  })
  const { status, output } = run(process.execPath, [join(ROOT, 'scripts/prebuilds.mjs'), '--check'])
  for (const { name } of missing) expect(output).toContain(`${name}: It is missing.`)
  if (missing.length > 0) expect(status).toBe(1)
  expect(output).toMatch(status === 0 ? /8 binaries are there/ : /The package needs all of its binaries/)
})
