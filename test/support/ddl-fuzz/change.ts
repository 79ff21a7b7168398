import type { Setting } from './scene'

/** One kind of change; undefined where the scene has nothing to make it of. */
export interface ChangeKind {
  name: string
  /** How often it is tried, in relation to the others. */
  weight: number
  make(setting: Setting): Change | undefined
}

export interface Change {
  /** Run one after the other. */
  statements: string[]
  /** `alone`: not within a transaction. `whole`: only within one. Otherwise both. */
  scope?: 'alone' | 'whole' | undefined
}

/** A change of one of `kinds`, by weight. */
export function makeChange(kinds: readonly ChangeKind[], setting: Setting): Change {
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0)
  for (;;) {
    let place = setting.choice.int(total)
    const kind = kinds.find(({ weight }) => (place -= weight) < 0)!
    const change = kind.make(setting)
    if (change !== undefined) return change
  }
}
