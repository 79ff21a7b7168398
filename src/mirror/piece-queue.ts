import { nextTick } from './follower'

/** Pieces that are prepared and not done with: one is handed on, the one behind it is prepared meanwhile. */
export const MOST_PREPARED = 2

export interface PieceHandlers {
  /** Begins to prepare a piece, when at most one is prepared and not done with. Default: nothing is prepared. */
  prepare?: ((bytes: Buffer) => Promise<void> | undefined) | undefined
  /** Handles a prepared piece. */
  handOn: (bytes: Buffer) => Promise<void> | undefined
  /** A piece has been handled; its bytes are free. */
  onDone: (bytes: Buffer) => void
  /** A handler has thrown, or rejected. */
  onError: (error: Error) => void
}

interface Piece {
  bytes: Buffer
  prepared: Promise<void> | undefined
}

/**
 * Hands pieces on in their order, each when it is prepared, in turns of the event loop of their own; those behind it
 * are prepared meanwhile.
 */
export class PieceQueue {
  private waiting: Piece[] = []
  /** Pieces being handed on: 1 or 0. */
  private current = 0
  private isRunning = false

  constructor(private readonly handlers: PieceHandlers) {}

  get isFull(): boolean {
    return this.waiting.length + this.current >= MOST_PREPARED
  }

  add(bytes: Buffer): void {
    this.waiting.push({ bytes, prepared: undefined })
    this.prepare()
    if (!this.isRunning) void this.run()
  }

  /** Forgets the pieces that wait, and returns their bytes. */
  drop(): Buffer[] {
    const dropped = this.waiting.map((piece) => piece.bytes)
    this.waiting = []
    return dropped
  }

  private prepare(): void {
    for (const piece of this.waiting.slice(0, MOST_PREPARED - this.current)) {
      piece.prepared ??= this.handlers.prepare?.(piece.bytes)
      piece.prepared?.catch(() => undefined) // heard when it is its turn
    }
  }

  private async run(): Promise<void> {
    const { handlers } = this
    this.isRunning = true
    try {
      for (let piece = this.waiting[0]; piece !== undefined; piece = this.waiting[0]) {
        await piece.prepared
        if (this.waiting[0] !== piece) continue // dropped
        this.waiting.shift()
        this.current = 1
        await handlers.handOn(piece.bytes)
        this.current = 0
        handlers.onDone(piece.bytes)
        this.prepare()
        await nextTick()
      }
    } catch (error) {
      this.current = 0
      this.drop()
      handlers.onError(error as Error)
    }
    this.isRunning = false
  }
}
