import type { FileRoot } from './file-format'
import type { Files } from './files'
import type { Heap } from './heap'
import type { PoolFile } from './pool-file'
import type { World } from './world'

export interface HeapOptions {
  /** Begin a new heap where there is none. */
  readonly create: boolean
  readonly readOnly: boolean
  /** Default: those of Node, with the help of the memory (`filesWith`). */
  readonly files?: Files | undefined
  /** Default: the real one. */
  readonly world?: World | undefined
  /** The file to read the state from; null: none, begin with nothing. Default: the heap's own. */
  readonly from?: string | null
  /** Which state to begin with: the newest that it takes. Default: the newest. */
  readonly accepts?: (root: FileRoot) => boolean
  /**
   * What to do where the newest state in the file is damaged: begin with the one before. `rebuild`: `recover` must
   * bring the heap to the version of the damaged one, or opening throws `CORRUPT`; `cut`: what is missing is given up.
   * Default: throw `CORRUPT`.
   */
  readonly recovery?: 'rebuild' | 'cut' | undefined
  /**
   * Show a state of the file only when it is on the device: the process that writes the file may not have synced it.
   * For reading. Default false: the newest state in the file.
   */
  readonly isDurableOnly?: boolean | undefined
  /** Called with the file before anything is read from it but its map. May throw. */
  readonly check?: ((file: PoolFile) => void) | undefined
  /**
   * Does again what a journal recorded after the version in the file (0 without one), and may set `journal` for what
   * follows.
   */
  readonly recover?: (heap: Heap) => void
}
