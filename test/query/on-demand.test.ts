import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { bundleProgram } from '../support/program'

/** The packages that an example loads as it starts. */
async function packagesOf(example: string): Promise<string[]> {
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL(`../../examples/${example}`, import.meta.url)))
  onTestFinished(remove)
  const imports = [...readFileSync(bundle, 'utf8').matchAll(/^import (?:.* from )?["']([^"']+)["']/gm)]
  return [...new Set(imports.map(([, name]) => name))].filter((name) => !isBuiltin(name)).sort()
}

test('a program loads the packages for JSON queries and for Postgres only where it has to do with these', async () => {
  expect(await packagesOf('animals.ts')).toEqual(['reflect-metadata'])
  expect(await packagesOf('mirror.ts')).toEqual(expect.arrayContaining(['pg', 'reflect-metadata']))
})
