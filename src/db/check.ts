import { SnapheapError } from '../errors'
import { walkAllocations } from '../heap/allocator-check'
import type { Heap } from '../heap/heap'
import { Catalogue } from '../table/catalogue'
import { checkTables } from '../table/check'
import { ReferenceCensus } from '../value/check'

/** Problems beyond this many are counted, not told. */
const MOST_PROBLEMS = 100

export interface CheckReport {
  /** What is wrong, in words; empty when every invariant holds. */
  readonly problems: readonly string[]
  /** Allocations of the heap that were walked, each found to have exactly one owner. */
  readonly allocations: number
}

/**
 * Walks every structure of the newest version and proves the invariants: each physical block and each allocation has
 * exactly one owner, every pointer leads to an object that counts it, each index equals one built anew, statistics are
 * true.
 */
export function checkHeap(heap: Heap): CheckReport {
  const problems = heap.checkBlocks()
  let allocations = 0
  try {
    allocations = checkStructures(heap, problems)
  } catch (error) {
    if (!(error instanceof SnapheapError && error.code === 'CORRUPT')) throw error
    problems.push(error.message) // a block that cannot be read: what it leads to cannot be either
  }
  const told = problems.slice(0, MOST_PROBLEMS)
  if (problems.length > told.length) told.push(`… and ${problems.length - told.length} more`)
  return { problems: told, allocations }
}

/**
 * Adds what is wrong to `problems`; returns how many allocations there are. Throws `CORRUPT` where something cannot be
 * read.
 */
function checkStructures(heap: Heap, problems: string[]): number {
  const view = heap.live // not the writer's: beside the newest version there may be an open transaction
  const { allocated, problems: allocatorProblems } = walkAllocations(view)
  problems.push(...allocatorProblems)
  const owners = new Map<number, string>()
  const report = (problem: string): void => {
    problems.push(problem)
  }
  const claim = (address: number, what: string): void => {
    const other = owners.get(address)
    if (other !== undefined) report(`${what} and ${other} share address ${address}`)
    if (!allocated.has(address)) report(`${what} is at ${address}, which is not allocated`)
    owners.set(address, what)
  }
  const census = new ReferenceCensus()
  checkTables(view, new Catalogue(view), census, claim, report)
  census.check(view, claim, report)
  for (const address of allocated)
    if (!owners.has(address)) report(`address ${address} is allocated but nothing owns it`)
  return allocated.size
}
