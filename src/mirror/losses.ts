import type { PostgresType } from './source-types'

/** By the type of a column: the losses that were reported, and those that were not yet. */
const losses = new WeakMap<PostgresType, { known: Set<string>; untold: string[] }>()

/** Notes, in a sentence about the column, that a value could not be kept as Postgres has it. */
export function noteLoss(columnType: PostgresType, loss: string): void {
  let noted = losses.get(columnType)
  if (noted === undefined) losses.set(columnType, (noted = { known: new Set(), untold: [] }))
  if (noted.known.has(loss)) return
  noted.known.add(loss)
  noted.untold.push(loss)
}

/** The losses of a column since the last call, each once. */
export function takeLosses(columnType: PostgresType): string[] {
  return losses.get(columnType)?.untold.splice(0) ?? []
}
