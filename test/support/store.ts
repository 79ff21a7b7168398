import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import type { StoreOptions } from '../../src/db/open-heap'
import { Store } from '../../src/db/store'
import { SnapheapError } from '../../src/errors'
import type { Table } from '../../src/table/table'
import { nativeMemory, temporaryFolder } from '../heap/support/memories'

const opened: Store[] = []

/** A store in memory that is checked and closed after the test. */
export function memoryStore(options: StoreOptions = {}): Store {
  return keep(Store.open(undefined, { memory: nativeMemory(), ...options }))
}

/** A store in a file that is checked and closed after the test. Without a path: in a folder of its own. */
export function fileStore(path = temporaryPath(), options: StoreOptions = {}): Store {
  return keep(Store.open(path, { memory: nativeMemory(), ...options }))
}

/** A path in a new folder that is removed after the test. */
export function temporaryPath(): string {
  return join(temporaryFolder(), 'test.heap')
}

/** Runs one round of a property on a store of its own, checked and closed at its end. */
export async function withStore(
  run: (store: Store) => void | Promise<void>,
  options: StoreOptions = {},
): Promise<void> {
  const store = Store.open(undefined, { memory: nativeMemory(), ...options })
  try {
    await run(store)
    expect(store.check().problems).toEqual([])
  } finally {
    await store.close()
  }
}

/** Checks a store and closes it, within a test. */
export async function closeChecked(store: Store): Promise<void> {
  expect(problemsOf(store)).toEqual([])
  await store.close()
}

/** The error that `run` throws, which must be of this library. */
export function errorOf(run: () => unknown): SnapheapError {
  let result: unknown
  try {
    result = run()
  } catch (error) {
    expect(error).toBeInstanceOf(SnapheapError)
    return error as SnapheapError
  }
  throw new Error(`expected an error, got ${String(result)}`)
}

/** The same for a promise. */
export async function rejectionOf(promise: Promise<unknown>): Promise<SnapheapError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(SnapheapError)
  return error as SnapheapError
}

/** Every row of a table as an object, in the order of the row numbers. */
export function rowsOf(table: Table): Record<string, unknown>[] {
  return Array.from(table.rows(), (row) => table.read(row))
}

afterEach(async () => {
  for (const store of opened.splice(0)) {
    try {
      expect(problemsOf(store)).toEqual([])
    } finally {
      await store.close()
    }
  }
})

function keep(store: Store): Store {
  opened.push(store)
  return store
}

/** What `check` finds; a store that the test has closed was checked by it. */
function problemsOf(store: Store): readonly string[] {
  try {
    return store.check().problems
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'CLOSED') return []
    throw error
  }
}
