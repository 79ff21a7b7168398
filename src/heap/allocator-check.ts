import { BLOCK_KIND, CELL_WORDS, cellsPerBlock, descriptorOf } from './allocator'
import { BLOCK_WORDS, RESERVED_BLOCKS, ROOT } from './layout'
import type { View } from './view'

/**
 * Walks the allocator's descriptors and lists. Returns the address of everything that is allocated, and what is wrong,
 * in words: lists that do not fit the descriptors, buddies not merged, counts that do not add up.
 */
export function walkAllocations(view: View): { allocated: Set<number>; problems: string[] } {
  const problems: string[] = []
  const allocated = new Set<number>()
  const listed = walkLists(view, problems)
  const top = view.low(ROOT.top)
  let words = 0
  let block = RESERVED_BLOCKS
  while (block < top) {
    const low = view.low(descriptorOf(block))
    const [kind, detail] = [low & 15, (low >>> 4) & 255]
    if (kind === BLOCK_KIND.cells) {
      words += walkCells(view, block, detail, allocated, problems)
      const isFull = (view.high(descriptorOf(block)) & 0x1fff) === cellsPerBlock(detail)
      if (isFull === (listed.get(block) === ROOT.partialBlocks + detail))
        problems.push(`cell block ${block} is in the wrong list`)
      block++
    } else if (kind === BLOCK_KIND.usedRun) {
      allocated.add(block * BLOCK_WORDS)
      words += 2 ** detail * BLOCK_WORDS
      if (listed.has(block)) problems.push(`used run ${block} is in a list`)
      block += 2 ** detail
    } else if (kind === BLOCK_KIND.freeRun) {
      if (listed.get(block) !== ROOT.freeRuns + detail) problems.push(`free run ${block} is in the wrong list`)
      const buddy = block ^ (2 ** detail)
      const isFreeToo = view.low(descriptorOf(buddy)) === (BLOCK_KIND.freeRun | (detail << 4))
      if (isFreeToo && buddy >= RESERVED_BLOCKS && buddy + 2 ** detail <= top)
        problems.push(`free runs ${block} and ${buddy} are not merged`)
      for (let i = 0; i < 2 ** detail; i++)
        if (view.table[block + i] !== 0) problems.push(`free block ${block + i} has contents`)
      block += 2 ** detail
    } else {
      problems.push(`block ${block} has no descriptor`)
      block++
    }
  }
  if (view.number(ROOT.allocatedWords) !== words) {
    problems.push(`the heap counts ${view.number(ROOT.allocatedWords)} allocated words and has ${words}`)
  }
  return { allocated, problems }
}

/** Block -> the list head it hangs on. */
function walkLists(view: View, problems: string[]): Map<number, number> {
  const listed = new Map<number, number>()
  const heads: number[] = []
  for (let order = 0; order <= 20; order++) heads.push(ROOT.freeRuns + order)
  for (let cellClass = 0; cellClass < CELL_WORDS.length; cellClass++) heads.push(ROOT.partialBlocks + cellClass)
  for (const head of heads) {
    let previous = 0
    for (let block = view.low(head); block !== 0; block = view.low(descriptorOf(block) + 1)) {
      if (listed.has(block)) {
        problems.push(`block ${block} is in two lists`)
        break
      }
      if (view.high(descriptorOf(block) + 1) !== previous) problems.push(`block ${block} is linked wrongly`)
      listed.set(block, head)
      previous = block
    }
  }
  return listed
}

function walkCells(view: View, block: number, cellClass: number, allocated: Set<number>, problems: string[]): number {
  const low = view.low(descriptorOf(block))
  const high = view.high(descriptorOf(block))
  const free = new Set<number>()
  for (let index = (high >>> 13) & 0x1fff; index !== 0; index = view.low(block * BLOCK_WORDS + index - 1)) {
    if (free.has(index - 1)) {
      problems.push(`the free cells of block ${block} form a ring`)
      break
    }
    free.add(index - 1)
  }
  const size = CELL_WORDS[cellClass]
  const handedOut = low >>> 12
  let used = 0
  for (let cell = 0; cell < handedOut; cell++) {
    if (free.delete(cell * size)) continue
    allocated.add(block * BLOCK_WORDS + cell * size)
    used++
  }
  if (free.size > 0) problems.push(`block ${block} has free cells that were never handed out`)
  if (used !== (high & 0x1fff)) problems.push(`block ${block} counts its cells wrongly`)
  return used * size
}
