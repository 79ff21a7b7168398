import type { World } from './world'

/**
 * Which commit a version is: two histories may both have a version 7. What the journal (the log) and the roots of a
 * file say of the same version must be equal, or they are not of one history.
 */
export interface HistoryPoint {
  /** 16 random bytes in hexadecimal digits, new whenever a history forks. */
  readonly timeline: string
  /** Rises with each change of writer by fail-over; 0 without. */
  readonly epoch: number
  /** Checksum of the journal's record that made the version; a random number for a version that was not recorded. */
  readonly chain: number
  /** The newest version up to this one that the journal holds, and its chain; both 0 where it holds none. */
  readonly loggedVersion: number
  readonly loggedChain: number
}

/** The beginning of a history of its own, which no journal continues yet. */
export function fork(world: World, epoch: number): HistoryPoint {
  return { timeline: newTimeline(world), epoch, chain: newChain(world), loggedVersion: 0, loggedChain: 0 }
}

export function newTimeline(world: World): string {
  return world.randomBytes(16).toString('hex')
}

/** For a version that is not recorded. Never 0, with which a log begins. */
export function newChain(world: World): number {
  return (world.randomBytes(4).readUInt32LE(0) | 1) >>> 0
}

/** Steps through all numbers of 32 bits. */
const STEP = 0x9e3779b9

/**
 * Chains for versions that are not recorded, one after the other: another sequence with each call, for one random
 * number.
 */
export function newChains(world: World): () => number {
  let chain = world.randomBytes(4).readInt32LE(0)
  return () => {
    chain = (chain + STEP) | 0
    return (chain | 1) >>> 0
  }
}
