import { SnapheapError } from '../errors'
import type { Durability } from '../log/log-options'
import type { LogWriter } from '../log/log-writer'

/**
 * Changes the durability of a log. `save` writes the commits that were not logged into the file, before the first
 * record after them is written. Throws what `save` throws; then nothing is logged, as before.
 */
export async function changeDurability(
  log: LogWriter,
  durability: Durability,
  save: () => Promise<void>,
): Promise<void> {
  // so that the next one is quick, and little is held until then
  if (log.durability === 'none' && durability !== 'none') await save()
  if (log.durability !== 'none' || durability === 'none') {
    log.setDurability(durability)
    return
  }
  log.hold(durability)
  try {
    await save()
    log.release()
  } catch (error) {
    log.drop()
    throw error
  }
  await log.sync()
}

/** The log of a database that keeps one. */
export function ensureLogged(log: LogWriter | undefined): LogWriter {
  if (log !== undefined) return log
  throw new SnapheapError('INVALID_ARGUMENT', 'This database keeps no log. Open one in a file, for writing.')
}
