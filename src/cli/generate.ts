import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SnapheapError } from '../errors'
import { isSameFile, nodeFiles } from '../heap/files'
import { classSource } from './class-source'
import { tablesInFile, tablesInPostgres } from './table-models'
import { tableSource } from './table-source'

export const GENERATE_USAGE =
  'snapheap generate --from <file.heap | postgres://…> [--out <tables.ts>] [--style <tables | classes>]'

const SOURCES = { tables: tableSource, classes: classSource }

/**
 * Writes definitions for the tables that there are, in a file or in Postgres: by `table()`, or as classes with
 * decorators where `--style` says so; to `--out`, which it replaces, or to the standard output. Throws `INVALID_ARGUMENT` for wrong options, `IO`, and what reading the tables throws.
 */
export async function generate(args: readonly string[]): Promise<void> {
  const { from, out, style } = optionsOf(args)
  const isServer = /^postgres(ql)?:\/\//.test(from)
  if (!isServer && out !== undefined && isSameFile(nodeFiles.identity(out), nodeFiles.identity(from))) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `--out ${out} is the database itself, which would be overwritten. Choose another --out.`,
      { path: out },
    )
  }
  const source = SOURCES[style](await (isServer ? tablesInPostgres(from) : tablesInFile(from)))
  if (out === undefined) {
    process.stdout.write(source)
    return
  }
  try {
    writeFileSync(out, source)
  } catch (error) {
    throw new SnapheapError(
      'IO',
      `${out} cannot be written: ${(error as Error).message}. Choose another --out.`,
      { path: out },
      error,
    )
  }
}

interface GenerateOptions {
  readonly from: string
  readonly out: string | undefined
  readonly style: keyof typeof SOURCES
}

function optionsOf(args: readonly string[]): GenerateOptions {
  let problem = 'It needs --from.'
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, out: { type: 'string' }, style: { type: 'string', default: 'tables' } },
      strict: true,
    })
    const { from, out, style } = values
    if (!Object.hasOwn(SOURCES, style)) problem = `--style is tables or classes, not ${style}.`
    else if (from !== undefined && from !== '') return { from, out, style: style as GenerateOptions['style'] }
  } catch (error) {
    problem = (error as Error).message
  }
  throw new SnapheapError('INVALID_ARGUMENT', `${problem} Usage: ${GENERATE_USAGE}`)
}
