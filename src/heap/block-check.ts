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
  const top = live.low(ROOT.top)
  return {
    topBlocks: top,
    writtenBlocks,
    neverWrittenBlocks: top - writtenBlocks,
    changedBlocks,
    arenaBlocks: windows.arenaBlocks,
    retainedBlocks: pins.retained.length,
    allocatedWords: live.number(ROOT.allocatedWords),
    ...storage.statistics(),
  }
}

/** Proves that every physical block has one use. Returns what is wrong, in words. */
export function checkBlocks(live: View, writer: Writer, windows: Windows, pins: Pins, storage: Storage): string[] {
  const problems: string[] = []
  const use = new Map<number, string>()
  const claim = (physical: number, what: string): void => {
    const other = use.get(physical)
    if (other !== undefined) problems.push(`physical block ${physical} is both ${other} and ${what}`)
    use.set(physical, what)
  }
  const { table } = live
  for (let block = 0; block < table.length; block++) {
    if (table[block] === ZERO_BLOCK) continue
    claim(table[block], `logical block ${block}`)
    const isArena = windows.isArena(table[block])
    if (isArena !== writer.birthOf(block) > 0) problems.push(`block ${block} has a birth that does not fit its place`)
    if (!isArena && !storage.holds(table[block])) {
      problems.push(`block ${block} is neither in the arena nor in the file`)
    }
  }
  for (const physical of windows.freeBlocks()) claim(physical, 'free')
  for (const { physical } of pins.retained) claim(physical, 'retained for a snapshot')
  if (windows.arenaBlocks !== [...use].filter(([p, what]) => what !== 'free' && windows.isArena(p)).length) {
    problems.push('the count of arena blocks in use is wrong')
  }
  if (windows.numbers[0].some((word) => word !== 0)) problems.push('the block of zeros was written')
  return problems
}
