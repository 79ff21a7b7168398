import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platformName } from '../../../src/heap/native-addon'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The binary that the package loads here. */
export function addonBinary(): string {
  const binary = join(ROOT, 'native/prebuilds', platformName(), 'snapheap.node')
  if (!existsSync(binary)) throw new Error('The native addon is missing. Build it: npm run build:native')
  return binary
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
