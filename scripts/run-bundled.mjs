// Runs a TypeScript program as production code runs: bundled first, so that imported constants are constants and calls
// can be inlined. (Module runners of development tools turn every imported name into a getter call, which makes reads
// several times slower.) Decorator metadata is emitted as tsconfig.json says.
//
//   node scripts/run-bundled.mjs FILE.ts [ARGUMENT ...]
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'vite'

const [file, ...rest] = process.argv.slice(2)
if (file === undefined) {
  process.stderr.write('Name a TypeScript file: node scripts/run-bundled.mjs FILE.ts\n')
  process.exit(2)
}
const entry = resolve(file)
// Beside the source, so that packages are found as the source finds them; one folder per process, so that runs do not
// meet.
const runs = join(dirname(entry), '.run')
const outDir = join(runs, String(process.pid))
removeLeftovers()

/** Keeps `import.meta.url` what it is in the source file. */
const keepSourceUrl = {
  name: 'keep-source-url',
  enforce: 'pre',
  transform: (code, id) =>
    id.endsWith('.ts') && code.includes('import.meta.url')
      ? code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
      : undefined,
}

await build({
  configFile: false,
  logLevel: 'error',
  root: dirname(entry),
  plugins: [keepSourceUrl],
  build: {
    ssr: entry,
    outDir,
    target: 'node20',
    minify: false,
    emptyOutDir: true,
    // As in the package: constants stand where they are used.
    rolldownOptions: {
      output: { entryFileNames: '[name].mjs' },
      optimization: { inlineConst: { mode: 'all', pass: 3 } },
    },
  },
})
process.on('exit', () => rmSync(outDir, { recursive: true, force: true }))
process.argv.splice(1, process.argv.length - 1, entry, ...rest)
await import(pathToFileURL(join(outDir, basename(entry).replace(/\.ts$/, '.mjs'))).href)

/** Removes the bundles of runs that were killed: their names begin with the number of their process. */
function removeLeftovers() {
  for (const name of existsSync(runs) ? readdirSync(runs) : []) {
    try {
      process.kill(Number.parseInt(name, 10), 0)
    } catch {
      rmSync(join(runs, name), { recursive: true, force: true })
    }
  }
}
