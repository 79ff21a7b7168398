import type { Store } from '../db/store'
import type { MirroredTableStatus, MirrorStatus } from './mirror-options'
import { servedTables } from './state'
import { type UnfitTables, unfitError } from './table-findings'

/**
 * The status of each table that is served. `following`: the session whose tables are in step with the server, apart
 * from those that it has left behind; undefined where all are as the mirror itself.
 */
export function tableStatuses(
  store: Store,
  slot: string,
  whole: MirrorStatus,
  following: { readonly unfit: UnfitTables } | undefined,
): ReadonlyMap<string, MirroredTableStatus> {
  const names = [...servedTables(store, slot).keys()]
  return new Map(names.map((name) => [name, statusOf(name, whole, following?.unfit)]))
}

function statusOf(name: string, whole: MirrorStatus, unfit: UnfitTables | undefined): MirroredTableStatus {
  const findings = unfit?.get(name)
  if (findings !== undefined) return { status: 'stale', error: unfitError(new Map([[name, findings]])) }
  return { status: unfit === undefined ? whole : 'live', error: undefined }
}
