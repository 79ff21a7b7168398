import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import * as file from '../src/heap/file-format'
import * as heap from '../src/heap/layout'
import { CONSTANT, TAG } from '../src/value/word'

const docs = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs')
const format = readFileSync(join(docs, 'format.md'), 'utf8')
const scope: Record<string, unknown> = { ...file, ...heap, TAG }

/** The value of "NAME.member" or "NAME[0]" in the code. */
function constant(path: string): unknown {
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== '')
    .reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], scope)
}

describe('docs/format.md', () => {
  const documented = [...format.matchAll(/^\| *`([\w.[\]]+)` *\| *(\S+) *\|$/gm)]

  test.each(documented.map(([, path, value]) => [path, value]))('says what the code says: %s is %s', (path, value) => {
    const actual = constant(path)
    expect(typeof actual === 'number' ? Number(value) : value).toBe(actual)
  })

  test('documents every member of the constants it draws', () => {
    const paths = new Set(documented.map(([, path]) => path))
    const missing = Object.entries({ HEADER: file.HEADER, ROOT_SLOT: file.ROOT_SLOT, ROOT: heap.ROOT, TAG })
      .flatMap(([name, members]) => Object.keys(members).map((member) => `${name}.${member}`))
      .filter((path) => !paths.has(path))
    expect(missing).toEqual([])
    expect(documented.length).toBeGreaterThan(50)
  })

  test('lists the constant words', () => {
    for (const payload of Object.values(CONSTANT)) expect(format).toMatch(new RegExp(`\\b${payload} \\S`))
  })
})
