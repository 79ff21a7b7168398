import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** From the lowest to the highest: a file imports from its own layer and from those before it. */
const LAYERS = [
  'kinds',
  'errors',
  'arguments',
  'heap',
  'log',
  'struct',
  'value',
  'table',
  'db',
  'query',
  'entity',
  'index',
  'functions',
  'mirror',
  'postgres',
  'cli',
]

/** Words that belong to a layer: no layer below it has them in its code. Comments may explain with any word. */
const VOCABULARY: Readonly<Record<string, RegExp>> = {
  struct: /\b(posting list|hash table)s?\b/i,
  value: /\b(interned|decimal|timestamp)s?\b/i,
  table: /\b(columns?|rows?)\b/i,
  entity: /\b(decorators?|entit(y|ies))\b/i,
  mirror: /\b(postgres(ql)?|LSN|pgoutput)\b/i,
}

/** Where a lower layer must name a word of a higher one all the same, and why. */
const ALLOWED: readonly { readonly file: string; readonly word: RegExp }[] = [
  // posting lists hold row numbers; saying "numbers" alone would hide what they are for
  { file: 'src/struct/posting-list.ts', word: /^rows?$/i },
  // error codes are one list for all layers
  { file: 'src/errors.ts', word: /./ },
]

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name))

/** Without those of packages, and those that programs write while they run. */
function filesIn(folder: string, names: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name) && !/(^|\/)(node_modules|\.[^/]*)\//.test(name))
    .map((name) => join(folder, name))
}

/** What is left of a source without comments and texts. */
function codeOf(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/gm, '')
}

/** The files whose values a file imports. */
function importedBy(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  const statements = source.matchAll(/^(?:import|export)\s+(type\s)?([^;'"]*?)from\s+'(\.[^']+)'/gm)
  return [...statements].flatMap(([, type, names, target]) => {
    const listed = names!
      .replaceAll(/[{}\s]/g, ' ')
      .split(',')
      .filter((each) => each.trim() !== '')
    if (type !== undefined || listed.every((each) => each.trim().startsWith('type '))) return []
    return [`${normalize(join(dirname(file), target!))}.ts`]
  })
}

function layerOf(file: string): string {
  return file.split('/')[1].replace(/\.ts$/, '')
}

describe('layers', () => {
  test('every source file belongs to a layer', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(files.filter((file) => !LAYERS.includes(layerOf(file)))).toEqual([])
  })

  test('imports point downward only', () => {
    const upward: string[] = []
    for (const file of files) {
      const text = readFileSync(join(root, file), 'utf8')
      for (const [, target] of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
        const imported = relative(root, normalize(join(root, dirname(file), target)))
        if (LAYERS.indexOf(layerOf(imported)) > LAYERS.indexOf(layerOf(file)))
          upward.push(`${file} imports ${imported}`)
      }
    }
    expect(upward).toEqual([])
  })

  test('no file imports itself by way of others', () => {
    const imports = new Map(files.map((file) => [file, importedBy(file)]))
    const circles: string[] = []
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      else if (!done.has(file)) for (const each of imports.get(file) ?? []) visit(each, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(circles).toEqual([])
  })

  test('no layer speaks the words of a higher one', () => {
    const strays: string[] = []
    for (const file of files) {
      const text = codeOf(readFileSync(join(root, file), 'utf8'))
      for (const [owner, words] of Object.entries(VOCABULARY)) {
        if (LAYERS.indexOf(layerOf(file)) >= LAYERS.indexOf(owner)) continue
        for (const [word] of text.matchAll(new RegExp(words, 'gi'))) {
          if (!ALLOWED.some((each) => each.file === file && each.word.test(word)))
            strays.push(`${file}: "${word}" belongs to ${owner}`)
        }
      }
    }
    expect(strays).toEqual([])
  })

  test('only addon*.cc knows N-API', () => {
    const sources = readdirSync(join(root, 'native')).filter(
      (name) => /\.(cc|h)$/.test(name) && !name.startsWith('addon'),
    )
    expect(sources.length).toBeGreaterThan(4)
    for (const name of sources) expect(readFileSync(join(root, 'native', name), 'utf8')).not.toMatch(/napi|node_api/)
  })

  test('lines have at most 120 columns', () => {
    const code = ['src', 'examples', 'scripts'].flatMap((folder) => filesIn(folder, /\.(ts|mjs)$/))
    const text = [...filesIn('docs', /\.md$/), 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
    expect([code.length > 100, text.length > 10]).toEqual([true, true])
    const lines = [...code, ...text].flatMap((file) => {
      const content = readFileSync(join(root, file), 'utf8')
      // tables and blocks of code in documents cannot be wrapped
      const prose = file.endsWith('.md')
        ? content.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/^\|.*$/gm, '')
        : content
      return prose.split('\n').flatMap((line) => (line.length > 120 ? [`${file}: ${line}`] : []))
    })
    expect(lines).toEqual([])
  })

  test('files stay small enough to be read in one sitting', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 420)
    expect(long).toEqual([])
  })
})
