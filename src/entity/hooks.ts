import { SnapheapError } from '../errors'
import { isPromise } from '../kinds'
import type { EntityTransaction } from './entity-transaction'
import type { EntityMapping } from './mapping'
import type { PlainValues } from './types'

/**
 * What to do when objects of a class are changed through it: within the transaction, after the change. What one throws
 * aborts the transaction, also when the code that made the change catches it.
 */
export interface EntityHooks<T extends object> {
  created?(object: T, transaction: EntityTransaction): void
  /** `before` holds what the columns of the object held. */
  updated?(object: T, before: PlainValues<T>, transaction: EntityTransaction): void
  /** Also for what rules of references delete. */
  deleted?(before: PlainValues<T>, transaction: EntityTransaction): void
}

type HookName = keyof EntityHooks<object>
type AnyHooks = Readonly<Partial<Record<HookName, (...given: unknown[]) => unknown>>>

/** Hooks may change other objects, whose hooks may do so, too: deeper than this they go on for ever. */
const DEEPEST = 100

/** The hooks of a database. */
export class Hooks {
  private readonly registered = new Map<EntityMapping, AnyHooks[]>()
  private depth = 0

  /** Returns what takes them off again. */
  add(mapping: EntityMapping, hooks: object): () => void {
    const each = hooks as AnyHooks
    const mine = [...(this.registered.get(mapping) ?? []), each]
    this.registered.set(mapping, mine)
    return () => {
      const others = (this.registered.get(mapping) ?? []).filter((other) => other !== each)
      if (others.length === 0) this.registered.delete(mapping)
      else this.registered.set(mapping, others)
    }
  }

  get isEmpty(): boolean {
    return this.registered.size === 0
  }

  /** Whether anything is to be done. */
  wants(mapping: EntityMapping, name: HookName): boolean {
    return this.of(mapping, name).length > 0
  }

  /** Runs the hooks of a class, in the order in which they were registered. */
  run(mapping: EntityMapping, name: HookName, ...given: readonly unknown[]): void {
    if (this.depth >= DEEPEST) throw this.endless(mapping, name)
    this.depth++
    try {
      for (const hooks of this.of(mapping, name)) ensureSync(mapping, name, hooks[name]!(...given))
    } finally {
      this.depth--
    }
  }

  private of(mapping: EntityMapping, name: HookName): AnyHooks[] {
    return (this.registered.get(mapping) ?? []).filter((each) => each[name] !== undefined)
  }

  private endless({ className }: EntityMapping, name: HookName): SnapheapError {
    return new SnapheapError(
      'INVALID_ARGUMENT',
      `The hook ${name} of ${className} leads to itself without end, ${DEEPEST} deep by now. Have it change ` +
        'nothing where there is nothing left to change.',
      { class: className },
    )
  }
}

function ensureSync({ className }: EntityMapping, name: HookName, result: unknown): void {
  if (!isPromise(result)) return
  result.then(undefined, () => undefined)
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The hook ${name} of ${className} is async, but a transaction is one synchronous step. Collect what is to be ` +
      'awaited, and do it after db.write.',
    { class: className },
  )
}
