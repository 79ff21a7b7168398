import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { defineConfig } from 'tsup'

/** Stands for `import` while CommonJS is made, which would make a `require` of it. */
const IMPORT = '__import__'

export default defineConfig(({ outDir = 'dist' }) => ({
  entry: {
    index: 'src/index.ts',
    functions: 'src/functions.ts',
    postgres: 'src/postgres.ts',
    cli: 'src/cli/main.ts',
  },
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  tsconfig: 'src/tsconfig.json',
  // tsup sets baseUrl for its declaration build, which TypeScript 6 calls deprecated
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  clean: true,
  shims: true,
  splitting: true,
  external: ['reflect-metadata', 'pg'],
  // Writes imported constants out where they are used. A bundle keeps them in variables otherwise, which the engine loads,
  // checks and shifts by at run time: measured, a third of what a column read costs.
  esbuildOptions(options) {
    options.minifySyntax = true
  },
  plugins: [
    {
      // The step that makes CommonJS of chunks (sucrase) cannot read a `yield` without a value inside an expression.
      name: 'for-sucrase',
      renderChunk(code) {
        if (this.format !== 'cjs') return undefined
        return { code: code.replaceAll(/\byield(?=\s*[),])/g, 'yield void 0').replaceAll(/\bimport\(/g, `${IMPORT}(`) }
      },
    },
  ],
  onSuccess: async () => {
    for (const name of readdirSync(outDir).filter((each) => each.endsWith('.cjs'))) {
      const file = join(outDir, name)
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`${IMPORT}(`, 'import('))
    }
    for (const entry of ['index', 'functions', 'postgres']) writeEntryForImport(outDir, entry)
  },
}))

/**
 * What `import` gets in Node: the names of the CommonJS build. So `import` and `require` share one library, and a class
 * or a value of the one is known to the other. Bundlers take the ESM build for both. Loaded by `require`, because Node
 * looks through a CommonJS file that is imported for names: 180 ms of processor time against 90.
 */
function writeEntryForImport(outDir: string, entry: string): void {
  const folder = resolve(outDir)
  const names = Object.keys(createRequire(join(folder, entry))(`./${entry}.cjs`)).sort()
  const text = `import { createRequire } from 'node:module'

export const {
  ${names.join(',\n  ')},
} = createRequire(import.meta.url)('./${entry}.cjs')
`
  writeFileSync(join(folder, `${entry}.mjs`), text)
}
