import { copyFileSync, existsSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeFiles } from '../../src/heap/files'
import { Heap } from '../../src/heap/heap'
import { BLOCK_BYTES } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import type { HeapSnapshot } from '../../src/heap/snapshots'
import { verifyFile } from '../../src/heap/verify'
import { type Drawn, expectSound, HEAP_MEMORIES, type WordModel, withFolder } from '../support/heap'
import { applyChange, emptyModel, type WordChange, wordChange } from '../support/word-changes'

const READ = { create: false, readOnly: true }
const DEAD_ENOUGH = 1100

const changes = fc.array(wordChange, { minLength: 1, maxLength: 6 })
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      changes,
      isDetached: fc.boolean(),
      commits: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('save' as const), beside: fc.array(changes, { maxLength: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('saveAs' as const), beside: fc.array(changes, { maxLength: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
  // What a save that failed leaves behind: blocks of the file that no root reaches.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('waste' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
)

/**
 * A heap in a file, beside models of its newest version, of every version since the last reopening, and of its
 * snapshots.
 */
class FilePlay {
  private heap: Heap
  private committed: WordModel
  private byVersion = new Map<number, WordModel>()
  private held: { snapshot: HeapSnapshot; model: WordModel }[] = []
  private copies = 0
  private readonly path: string

  constructor(
    private readonly memory: Memory,
    private readonly folder: string,
  ) {
    this.path = join(folder, 'heap')
    this.heap = Heap.open(memory, this.path, { create: true, readOnly: false })
    this.committed = emptyModel(this.heap)
    this.byVersion.set(this.heap.version, this.committed)
  }

  async run(each: Drawn<typeof step>): Promise<void> {
    if (each.kind === 'transaction') this.transaction(each.changes, each.isDetached, each.commits)
    else if (each.kind === 'save') await this.save(each.beside)
    else if (each.kind === 'saveAs') await this.saveAs(each.beside)
    else if (each.kind === 'snapshot') this.held.push({ snapshot: this.heap.snapshot('test'), model: this.committed })
    else if (each.kind === 'release') this.release(each.which)
    else if (each.kind === 'reopen') await this.reopen()
    else if (existsSync(this.path)) truncateSync(this.path, statSync(this.path).size + DEAD_ENOUGH * BLOCK_BYTES)
    this.expectTrue()
  }

  async close(): Promise<void> {
    await this.heap.close()
  }

  private transaction(changes: WordChange[], isDetached: boolean, commits: boolean): void {
    const { heap } = this
    const working = this.committed.clone()
    if (isDetached) heap.beginDetached()
    else heap.begin()
    for (const change of changes) applyChange(heap, working, change)
    if (!commits) return heap.rollback()
    heap.commit()
    this.committed = working
    this.byVersion.set(heap.version, working)
  }

  /** Commits, and copies the file, while the save is under way. */
  private async beside(saving: Promise<void>, beside: WordChange[][]): Promise<void> {
    let isDone = false
    const done = saving.finally(() => {
      isDone = true
    })
    for (let turn = 0; !isDone; turn++) {
      if (turn > 0 && turn <= beside.length) this.transaction(beside[turn - 1], false, true)
      if (existsSync(this.path) && turn < 4) await this.expectCopyTrue()
      this.expectSnapshotsTrue()
      await setImmediate()
    }
    await done
  }

  private async save(beside: WordChange[][]): Promise<void> {
    const { version } = this.heap
    await this.beside(this.heap.save(), beside)
    expect(this.heap.savedRoot!.version).toBeGreaterThanOrEqual(version)
    await this.expectFileShows(this.path, this.heap.savedRoot!.version)
    expect((await verifyFile(this.memory, nodeFiles, this.path)).version).toBe(this.heap.savedRoot!.version)
  }

  private async saveAs(beside: WordChange[][]): Promise<void> {
    const path = join(this.folder, 'backup')
    await this.beside(this.heap.saveAs(path, { replace: true }), beside)
    const { version } = await verifyFile(this.memory, nodeFiles, path)
    await this.expectFileShows(path, version)
  }

  private async reopen(): Promise<void> {
    while (this.held.length > 0) this.release(0)
    const saved = this.heap.savedRoot
    await this.heap.close()
    this.heap = Heap.open(this.memory, this.path, { create: true, readOnly: false })
    this.committed = saved === undefined ? emptyModel(this.heap) : this.byVersion.get(saved.version)!
    expect(this.heap.savedRoot?.version).toBe(saved?.version)
    this.byVersion = new Map([[this.heap.version, this.committed]])
  }

  private release(which: number): void {
    if (this.held.length > 0) this.held.splice(which % this.held.length, 1)[0].snapshot.release()
  }

  private async expectCopyTrue(): Promise<void> {
    const copy = join(this.folder, `copy${this.copies++}`)
    copyFileSync(this.path, copy)
    const root = await this.expectFileShows(copy)
    expect(root).toBeGreaterThanOrEqual(this.heap.savedRoot?.version ?? 1)
  }

  private async expectFileShows(path: string, version?: number): Promise<number> {
    const reader = Heap.open(this.memory, path, READ)
    try {
      if (version !== undefined) expect(reader.version).toBe(version)
      this.byVersion.get(reader.version)!.expectShownBy(reader.live)
      return reader.version
    } finally {
      await reader.close()
    }
  }

  private expectTrue(): void {
    this.committed.expectShownBy(this.heap.live)
    this.expectSnapshotsTrue()
    expectSound(this.heap)
  }

  private expectSnapshotsTrue(): void {
    for (const { snapshot, model } of this.held) model.expectShownBy(snapshot.view)
  }
}

describe.each(HEAP_MEMORIES)('heap file model on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('random commits, saves, rewrites and reopenings show what the model shows, in the file, in copies of it and in snapshots', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), (steps) =>
        withFolder(async (folder) => {
          const play = new FilePlay(memory, folder)
          try {
            for (const each of steps) await play.run(each)
          } finally {
            await play.close()
          }
        }),
      ),
      { numRuns: 15 },
    )
  })
})
