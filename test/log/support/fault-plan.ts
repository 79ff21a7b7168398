import type { Fault, Operation, OperationKind } from './faulty-files'

export type FaultPlan = (operation: Operation) => Fault | undefined

const CHANGES: readonly OperationKind[] = ['create', 'write', 'truncate', 'rename', 'link', 'remove', 'makeFolder']
const SPACE: readonly OperationKind[] = ['create', 'write', 'makeFolder', 'link']
const FALLIBLE: readonly OperationKind[] = [...CHANGES, 'open', 'read', 'sync', 'syncFolder']

/** The device is full: what is written arrives in part. */
export function fullDevice(random: () => number): FaultPlan {
  return ({ kind }) => (SPACE.includes(kind) ? { code: 'ENOSPC', share: random() } : undefined)
}

/** The file system has become read-only. */
export function readOnlyDevice(): FaultPlan {
  return ({ kind }) => (CHANGES.includes(kind) ? { code: 'EROFS' } : undefined)
}

/** One operation fails, of those that can. */
export function oneFailure(random: () => number): FaultPlan {
  const only = random() < 0.5 ? FALLIBLE[Math.floor(random() * FALLIBLE.length)] : undefined
  const code = random() < 0.5 ? 'EIO' : 'ENOSPC'
  return once(random, ({ kind }) => (only === undefined ? FALLIBLE.includes(kind) : kind === only), {
    code,
    share: random(),
  })
}

/** Every operation of one kind fails. */
export function lastingFailure(random: () => number): FaultPlan {
  const meant = FALLIBLE[Math.floor(random() * FALLIBLE.length)]
  const fault: Fault = { code: random() < 0.5 ? 'EIO' : 'ENOSPC', share: random() }
  return ({ kind }) => (kind === meant ? fault : undefined)
}

/** The process dies at some operation. */
export function death(random: () => number): FaultPlan {
  const time = random() < 0.5 ? 'before' : 'after'
  const fault: Fault = { code: 'EIO', death: time, ...(random() < 0.5 ? { share: random() } : {}) }
  return once(random, ({ kind }) => CHANGES.includes(kind) || kind === 'sync' || kind === 'syncFolder', fault)
}

function once(random: () => number, isMeant: (operation: Operation) => boolean, fault: Fault): FaultPlan {
  let skip = Math.floor(random() ** 2 * 12)
  return (operation) => (isMeant(operation) && skip-- === 0 ? fault : undefined)
}
