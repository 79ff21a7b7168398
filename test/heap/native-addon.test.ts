import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addonBinary, ROOT, run } from '../native/support/binary'

const platform = basename(dirname(addonBinary()))
const folder = mkdtempSync(join(tmpdir(), 'snapheap-'))
const prebuilds = join(folder, 'native', 'prebuilds')

/** Opens two databases here and one in a thread, and prints warnings alone. */
const PROGRAM = `
import { isMainThread, Worker } from 'node:worker_threads'
import { open } from './dist/index.mjs'
process.on('warning', ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })))
for (let i = 0; i < 2; i++) {
  const db = await open()
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
    tx.insert('t', { id: 7 })
  })
  if (db.table('t').get(7)?.id !== 7) throw new Error('The row is missing.')
  await db.close()
}
if (isMainThread) new Worker(new URL(import.meta.url))
`

/** A package as installed, whose binaries the tests choose. */
beforeAll(async () => {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'program.mjs'), PROGRAM)
  await build({
    configFile: false,
    logLevel: 'error',
    root: ROOT,
    build: {
      ssr: join(ROOT, 'src/index.ts'),
      outDir: join(folder, 'dist'),
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: 'index.mjs' } },
    },
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function install(name: string, prepare: (folder: string) => void, packageName = 'snapheap'): void {
  rmSync(prebuilds, { recursive: true, force: true })
  mkdirSync(join(prebuilds, name), { recursive: true })
  prepare(join(prebuilds, name))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: packageName, type: 'module' }))
}

function warnings(): { name: string; code: string; message: string }[] {
  const args = ['--no-warnings', 'program.mjs']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

function expectOneWarning(reason: string | RegExp): void {
  expect(warnings()).toEqual([
    {
      name: 'SnapheapWarning',
      code: 'SNAPHEAP_PLAIN_MEMORY',
      message: expect.stringMatching(/^snapheap runs without its native addon, because .*plainMemory\(\) suppresses/),
    },
  ])
  expect(warnings()[0].message).toMatch(reason)
}

describe('the native addon', () => {
  test('is loaded from the folder of its platform without a warning', () => {
    install(platform, (target) => cpSync(addonBinary(), join(target, 'snapheap.node')))
    expect(warnings()).toEqual([])
  })

  test('is missed with one warning for all databases and threads, which work', () => {
    install('none', () => undefined)
    expectOneWarning(`there is no binary for ${platform}`)
  })

  test('that does not load is named with the reason', () => {
    install(platform, (target) => writeFileSync(join(target, 'snapheap.node'), 'not a binary'))
    expectOneWarning(/snapheap\.node does not load: .+ Install the package again\./)
  })

  test('of another C library is left alone', () => {
    const other = platform.endsWith('-musl') ? platform.slice(0, -'-musl'.length) : `${platform}-musl`
    install(other, (target) => cpSync(addonBinary(), join(target, 'snapheap.node')))
    expectOneWarning(`there is no binary for ${platform}`)
  })

  test('is out of reach of a bundle in another package, and the warning says what to do', () => {
    install(platform, (target) => cpSync(addonBinary(), join(target, 'snapheap.node')), 'somebody-else')
    expectOneWarning('Mark the package snapheap as external')
  })
})

test('a test run fails where the addon does not load', () => {
  const script = join(folder, 'no-addon.cjs')
  writeFileSync(
    script,
    `const { dlopen } = process
process.dlopen = (module, file, ...rest) => {
  if (file.endsWith('snapheap.node')) throw new Error('refused by a test')
  return dlopen.call(process, module, file, ...rest)
}`,
  )
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const { status, output } = run(process.execPath, ['--require', script, vitest, 'run', 'test/arguments.test.ts'])
  expect(status).toBe(1)
  expect(output).toContain('does not load: refused by a test')
  expect(output).toContain('The native addon does not load')
})
