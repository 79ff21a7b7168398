import { SnapheapError } from '../errors'
import { ROOT, ZERO_BLOCK } from './layout'
import type { Pins } from './pins'
import type { Storage } from './storage'
import type { View } from './view'
import type { Windows } from './windows'
import type { Writer } from './writer'

/** Sizes, all in blocks unless named otherwise. */
export function blockStatistics(live: View, writer: Writer, windows: Windows, pins: Pins, storage: Storage) {
  const { table } = live
  let changedBlocks = 0
  let writtenBlocks = 0
  for (let block = 0; block < table.length; block++) {
    if (table[block] === ZERO_BLOCK) continue
    writtenBlocks++
    if (writer.birthOf(block) !== 0) changedBlocks++
  }
  const { top, allocatedWords } = usage(live) ?? { top: writtenBlocks, allocatedWords: 0 }
  return {
    topBlocks: top,
    writtenBlocks,
    neverWrittenBlocks: top - writtenBlocks,
    changedBlocks,
    arenaBlocks: windows.arenaBlocks,
    retainedBlocks: pins.retained.length,
    allocatedWords,
    ...storage.statistics(),
  }
}

/** What the heap says of itself; undefined where the block that says it is damaged. */
function usage(live: View): { top: number; allocatedWords: number } | undefined {
  try {
    return { top: live.low(ROOT.top), allocatedWords: live.number(ROOT.allocatedWords) }
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'CORRUPT') return undefined
    throw error
  }
}

/**
 * Checks that no physical block is used twice within one version: neither in the newest version nor in the one of an
 * open transaction. The two versions share the blocks that the transaction has not changed. Returns a message for each
 * fault.
 */
export function checkBlocks(live: View, writer: Writer, windows: Windows, pins: Pins, storage: Storage): string[] {
  const problems: string[] = []
  const use = claimTable(live.table, windows, storage, problems)
  const { table } = writer.view
  if (writer.view !== live) {
    for (const [physical, what] of claimTable(table, windows, storage, problems))
      if (!use.has(physical)) use.set(physical, what)
  }
  for (let block = 0; block < table.length; block++) {
    if (table[block] !== ZERO_BLOCK && windows.isArena(table[block]) !== writer.birthOf(block) > 0)
      problems.push(`block ${block} has a birth that does not fit its place`)
  }
  for (const physical of windows.freeBlocks()) claim(use, physical, 'free', problems)
  for (const { physical } of pins.retained) claim(use, physical, 'retained for a snapshot', problems)
  if (windows.arenaBlocks !== [...use].filter(([p, what]) => what !== 'free' && windows.isArena(p)).length) {
    problems.push('the count of arena blocks in use is wrong')
  }
  if (windows.numbers[0].some((word) => word !== 0)) problems.push('the block of zeros was written')
  return problems
}

/** What each physical block of a version is used for. */
function claimTable(table: Uint32Array, windows: Windows, storage: Storage, problems: string[]): Map<number, string> {
  const use = new Map<number, string>()
  for (let block = 0; block < table.length; block++) {
    const physical = table[block]
    if (physical === ZERO_BLOCK) continue
    claim(use, physical, `logical block ${block}`, problems)
    if (!windows.isArena(physical) && !storage.holds(physical))
      problems.push(`block ${block} is neither in the arena nor in the file`)
  }
  return use
}

function claim(use: Map<number, string>, physical: number, what: string, problems: string[]): void {
  const other = use.get(physical)
  if (other !== undefined) problems.push(`physical block ${physical} is both ${other} and ${what}`)
  use.set(physical, what)
}
