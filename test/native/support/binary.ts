import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The binary that the package loads here. */
export function addonBinary(): string {
  const platform = `${process.platform}-${process.arch}`
  const candidates = [platform, `${platform}-musl`].map((name) => join(ROOT, 'native/prebuilds', name, 'snapheap.node'))
  const found = candidates.find(existsSync)
  if (found === undefined) throw new Error('The native addon is missing. Build it: node scripts/build-native.mjs')
  return found
}

export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  readonly output: string
}

export function run(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Outcome {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', ...options })
  return { status, signal, output: `${stdout}${stderr}` }
}
