import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { nativeMemory } from '../heap/support/memories'
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

/** A process in the middle of saving a copy, in a folder where no other does. */
async function savingProcess(folder: string): Promise<ChildProcess> {
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL('./support/save-store.ts', import.meta.url)))
  onTestFinished(remove)
  const paths = [temporaryPath(), join(folder, 'copy.heap')]
  const child = spawn(process.execPath, [bundle, ...paths], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  child.stdout!.setEncoding('utf8')
  // stopped again and again until it was in the middle of it
  for (;;) {
    await turn()
    child.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 20)) // the signal takes its time
    if (savedFiles(folder).some((name) => isLocked(join(folder, name)))) return child
    child.kill('SIGCONT')
  }
}

/** Whether its writer has come so far: until then it may be taken for one that was left. */
function isLocked(path: string): boolean {
  const fd = openSync(path, 'r+')
  try {
    return !nativeMemory().lockFile!(fd)
  } finally {
    closeSync(fd)
  }
}

function savedFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^copy\.heap\.saving-.*\.tmp$/.test(name))
}

test.runIf(process.platform !== 'win32')(
  'what a killed save to another path left is removed by the next save or opening in that folder, but not while it is written',
  async () => {
    const path = temporaryPath()
    const folder = dirname(path)
    const store = fileStore(path)
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    for (const next of [() => store.saveAs(join(folder, 'other.heap'), { replace: true }), reopened]) {
      const child = await savingProcess(folder)
      await next()
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(savedFiles(folder)).toHaveLength(1)
      // and what was written beside everybody else is whole
      const heard = once(child.stdout!, 'data')
      child.kill('SIGCONT')
      await heard
      expect(child.exitCode).toBe(null)
      await closeChecked(fileStore(join(folder, 'copy.heap'), { readOnly: true }))
      while (savedFiles(folder).length === 0) await turn()
      child.kill('SIGSTOP')
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      if (savedFiles(folder).length === 0) writeFileSync(join(folder, 'copy.heap.saving-0123456789ab.tmp'), 'left')
      await next()
      while (savedFiles(folder).length > 0) await turn()
    }

    async function reopened(): Promise<void> {
      const beside = join(folder, 'beside.heap')
      await closeChecked(fileStore(beside))
    }
  },
)

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
