import { SnapheapError } from '../errors'
import { LAYOUT_VERSION, OLDEST_LAYOUT_VERSION, RESERVED_BLOCKS, ROOT } from './layout'
import type { View } from './view'
import type { Writer } from './writer'

/** Throws `VERSION` for a heap of a newer layout, `CORRUPT` if it is not a heap. */
export function checkLayout(view: View, path: string): void {
  const top = view.low(ROOT.top)
  const isPlausible = top >= RESERVED_BLOCKS && top <= view.table.length
  const layout = view.number(ROOT.layoutVersion)
  if (isPlausible && layout > LAYOUT_VERSION) {
    throw new SnapheapError(
      'VERSION',
      `${path} has layout ${layout}, and this version reads layouts up to ${LAYOUT_VERSION}. Open it with a newer ` +
        'version.',
    )
  }
  if (!(layout >= OLDEST_LAYOUT_VERSION) || !isPlausible)
    throw new SnapheapError('CORRUPT', `${path} holds no heap. Restore it from a copy.`)
}

/**
 * Says, within a transaction, that the heap has what calls for a layout: builds that do not know it refuse the file
 * from then on.
 */
export function requireLayout(writer: Writer, version: number): void {
  if (writer.view.number(ROOT.layoutVersion) < version) writer.setNumber(ROOT.layoutVersion, version)
}
