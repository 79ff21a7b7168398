import { defineConfig } from 'tsup'

export default defineConfig({
  entry: { index: 'src/index.ts', postgres: 'src/postgres.ts' },
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  tsconfig: 'src/tsconfig.json',
  dts: true,
  clean: true,
  shims: true,
  splitting: true,
  external: ['reflect-metadata', 'pg', 'pg-copy-streams'],
})
