import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { bundleProgram } from '../support/program'
import { closeChecked, fileStore, temporaryPath } from '../support/store'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2))

function temporaryFiles(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp'))
}

test('what a killed process left of a rewrite is removed at the next opening for writing, and nothing else', async () => {
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL('./support/compact-store.ts', import.meta.url)))
  onTestFinished(remove)
  const path = temporaryPath()
  // killed until it was in the middle of it
  for (let rounds = 0; temporaryFiles(path).length === 0; rounds++) {
    expect(rounds).toBeLessThan(50)
    const child = spawn(process.execPath, [bundle, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout!, 'data')
    while (temporaryFiles(path).length === 0 && child.exitCode === null) await turn()
    child.kill('SIGKILL')
    await exited
  }
  // of others, for all that is known
  const others = [`${path}.0123456789ab.tmp`, `${path}x.rewrite-0123456789ab.tmp`, `${path}.rewrite-notes.tmp`]
  for (const other of others) writeFileSync(other, 'kept')
  await closeChecked(fileStore(path, { readOnly: true }))
  expect(temporaryFiles(path).length).toBeGreaterThan(others.length)
  const store = fileStore(path)
  while (temporaryFiles(path).length > others.length) await turn()
  expect(temporaryFiles(path).sort()).toEqual(others.map((other) => basename(other)).sort())
  expect(store.table('t').rowCount).toBe(20_000)
})

test('a rewrite under way is no leftover to whoever fails to open the database for writing', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  const rewritten = store.compact()
  while (temporaryFiles(path).length === 0) await new Promise(setImmediate)
  expect(() => fileStore(path)).toThrow(expect.objectContaining({ code: 'LOCKED' }))
  await rewritten
  expect(temporaryFiles(path)).toEqual([])
})
