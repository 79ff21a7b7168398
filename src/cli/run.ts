import { createRequire } from 'node:module'
import { SnapheapError } from '../errors'
import { GENERATE_USAGE, generate } from './generate'

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  generate,
  '--version': version,
}

/** Runs the command that the arguments name. Its errors are lines for people; only others have a stack. */
export async function run([name = '', ...args]: readonly string[]): Promise<void> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  try {
    if (command === undefined) {
      const problem = name === '' ? 'No command is given.' : `There is no command ${name}.`
      throw new SnapheapError('INVALID_ARGUMENT', `${problem} Usage: ${GENERATE_USAGE}, or snapheap --version`)
    }
    await command(args)
  } catch (error) {
    process.exitCode = 1
    if (!(error instanceof SnapheapError)) throw error
    process.stderr.write(`${error.message}\n`)
  }
}

async function version(): Promise<void> {
  const manifest = createRequire(import.meta.url)('snapheap/package.json') as { version: string }
  process.stdout.write(`${manifest.version}\n`)
}
