import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { InternalOptions, StoreOptions } from '../../../src/db/open-heap'
import type { Transaction } from '../../../src/db/transaction'
import { SnapheapError } from '../../../src/errors'
import { nativeMemory, temporaryFolder } from '../../heap/support/memories'
import { closeChecked } from '../../support/store'
import { Device } from './device'
import { type Fault, FaultyFiles, type Operation } from './faulty-files'
import { StoreOverFiles } from './store-over-files'

/** A machine whose processes can be ended and whose power can be cut, with one database. */
export class Machine {
  files!: FaultyFiles
  /** What is asynchronous does not end. */
  isHeld = false
  store!: StoreOverFiles
  private readonly folder = temporaryFolder()
  private cuts = 0
  private device = new Device(join(this.folder, '0')).cut(undefined, join(this.folder, '0'))

  open(options: StoreOptions & InternalOptions = {}, faultOf?: FaultyFiles['faultOf']): StoreOverFiles {
    this.files = new FaultyFiles(this.device, () => (this.isHeld ? 0.9 : 0))
    if (faultOf !== undefined) this.files.faultOf = faultOf
    const memory = this.files.memoryFrom(nativeMemory())
    const { files, path } = this
    this.store = StoreOverFiles.over(path, { onFailure: () => undefined, ...options, files, memory })
    return this.store
  }

  get path(): string {
    return join(this.device.folder, 'test.heap')
  }

  /** Another process of the machine, which follows. It looks when it is told to. */
  follow(options: StoreOptions & InternalOptions = {}): StoreOverFiles {
    const files = new FaultyFiles(this.device)
    const memory = files.memoryFrom(nativeMemory())
    const follower = StoreOverFiles.over(this.path, {
      onFailure: () => undefined,
      ...options,
      follow: true,
      files,
      memory,
    })
    onTestFinished(() => closeChecked(follower))
    return follower
  }

  /** The next operation that `isMeant` takes fails. */
  failNext(isMeant: (operation: Operation) => boolean, fault: Fault): void {
    let isOver = false
    this.files.faultOf = (operation) => (!isOver && isMeant(operation) && (isOver = true) ? fault : undefined)
  }

  /** The process ends; what it gave to the operating system is still there. */
  async endProcess(): Promise<void> {
    this.files.kill()
    await this.store.close().catch(() => undefined)
    this.isHeld = false
  }

  /** Only what was synced is still there. */
  async cutPower(): Promise<void> {
    await this.endProcess()
    this.device = this.device.cut(undefined, join(this.folder, String(++this.cuts)))
  }
}

export function machine(): Machine {
  const made = new Machine()
  onTestFinished(async () => {
    await closeChecked(made.store).catch((error: unknown) => {
      if (!(error instanceof SnapheapError && error.code === 'IO')) throw error // what a test breaks may be lost
    })
  })
  return made
}

export function put(store: StoreOverFiles, id: number): void {
  store.write((tx) => putIn(tx, store, id))
}

export function putAsync(store: StoreOverFiles, id: number): Promise<void> {
  return store.writeAsync((tx) => putIn(tx, store, id))
}

export function putIn(tx: Transaction, store: StoreOverFiles, id: number): void {
  if (store.tableNames.length === 0) tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
  tx.insert('t', { id })
}

export function ids(store: StoreOverFiles): unknown[] {
  return store.tableNames.length === 0 ? [] : [...store.table('t').rows()].map((row) => store.table('t').read(row).id)
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
