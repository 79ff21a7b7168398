import type { Pin, Pins } from './pins'
import { CLOSED_GENERATION, View } from './view'
import type { Windows } from './windows'

/**
 * An immutable view of one version. Hold it as short as you can: blocks it alone sees cannot be reused until `release`.
 */
export interface HeapSnapshot {
  readonly view: View
  /** The heap's commit version that this view shows. */
  readonly version: number
  readonly pin: Pin
  readonly isReleased: boolean
  /** Lets go. Idempotent; the view must not be read afterwards. */
  release(): void
}

/** Versions that are pinned to be read. */
export class Snapshots {
  /** Of those that are not released. */
  private readonly views = new Map<Pin, View>()

  constructor(
    private readonly windows: Windows,
    private readonly pins: Pins,
  ) {}

  /** A view of what is pinned. */
  of(pin: Pin, version: number): HeapSnapshot {
    const view = new View(pin.table, this.windows)
    this.views.set(pin, view)
    return {
      view,
      version,
      pin,
      get isReleased() {
        return view.generation === CLOSED_GENERATION
      },
      release: () => this.release(pin),
    }
  }

  /** Idempotent. */
  release(pin: Pin): void {
    const view = this.views.get(pin)
    if (view !== undefined) view.generation = CLOSED_GENERATION
    this.views.delete(pin)
    this.pins.release(pin)
  }

  releaseAll(): void {
    for (const pin of this.views.keys()) this.release(pin)
  }
}
