import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/**
 * What a program that a new Node process runs prints, read as JSON. Where that fails, so does this process, naming it.
 */
export async function jsonFrom(name: string, program: readonly string[], folder?: string): Promise<unknown> {
  const child = spawn(process.execPath, program, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  const [exitCode, output] = await Promise.all([exited, text(child.stdout)])
  if (exitCode !== 0) fail(`${name} ended with ${exitCode}.`)
  return JSON.parse(output)
}

/** Ends this process, saying why on stderr. */
export function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}
