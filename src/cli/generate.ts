import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SnapheapError } from '../errors'
import { isSameFile, nodeFiles } from '../heap/files'
import { classSource } from './class-source'
import { tablesInFile, tablesInPostgres } from './table-models'

export const GENERATE_USAGE = 'snapheap generate --from <file.heap | postgres://…> [--out <classes.ts>]'

/**
 * Writes classes for the tables that there are, in a file or in Postgres: to `--out`, which it replaces, or to the
 * standard output. Throws `INVALID_ARGUMENT` for wrong options, `IO`, and what reading the tables throws.
 */
export async function generate(args: readonly string[]): Promise<void> {
  const { from, out } = optionsOf(args)
  const isServer = /^postgres(ql)?:\/\//.test(from)
  if (!isServer && out !== undefined && isSameFile(nodeFiles.identity(out), nodeFiles.identity(from))) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `--out ${out} is the database itself, which would be overwritten. Choose another --out.`,
      { path: out },
    )
  }
  const source = classSource(await (isServer ? tablesInPostgres(from) : tablesInFile(from)))
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

function optionsOf(args: readonly string[]): { from: string; out: string | undefined } {
  let problem = 'It needs --from.'
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, out: { type: 'string' } },
      strict: true,
    })
    if (values.from !== undefined && values.from !== '') return { from: values.from, out: values.out }
  } catch (error) {
    problem = (error as Error).message
  }
  throw new SnapheapError('INVALID_ARGUMENT', `${problem} Usage: ${GENERATE_USAGE}`)
}
