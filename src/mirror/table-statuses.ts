import type { Store } from '../db/store'
import type { MirroredTableStatus, MirrorStatus } from './mirror-options'
import { servedTables } from './state'
import { type UnfitTables, unfitError } from './table-findings'

/** A session whose tables are in step with the server, but for some. */
interface Following {
  /** Left behind until they can be mirrored again. */
  readonly unfit: UnfitTables
  /** Not copied yet. */
  readonly incomplete: ReadonlySet<string>
}

/** The status of each table. `following`: undefined where all are as the mirror itself. */
export function tableStatuses(
  store: Store,
  slot: string,
  whole: MirrorStatus,
  following: Following | undefined,
): ReadonlyMap<string, MirroredTableStatus> {
  const served = new Set(servedTables(store, slot).keys())
  const status = (name: string): MirroredTableStatus => {
    if (following === undefined) return { status: whole, error: undefined }
    const findings = following.unfit.get(name)
    if (findings !== undefined) return { status: 'stale', error: unfitError(new Map([[name, findings]])) }
    if (!following.incomplete.has(name)) return { status: 'live', error: undefined }
    return { status: served.has(name) ? 'resyncing' : 'copying', error: undefined }
  }
  return new Map([...served, ...(following?.incomplete ?? [])].map((name) => [name, status(name)]))
}
