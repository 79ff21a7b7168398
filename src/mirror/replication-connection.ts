import type pg from 'pg'
import type { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect } from './connection'
import { isBusy } from './cut-off'

/**
 * The replication connection of a mirror. The temporary slot of a database without a file goes with it, so that such a
 * connection is kept from one session to the next where that follows at once: no log is kept for a slot in vain.
 */
export class ReplicationConnection {
  private client: pg.Client | undefined
  private cut = new AbortController()
  private onLost: (error: SnapheapError) => void = () => undefined
  private leaveSession: () => void = () => undefined

  constructor(
    private readonly options: ConnectionOptions,
    private readonly isKept: boolean,
  ) {}

  /** For a session. `onLost` is called when the connection is lost, `signal` cuts it off, until `release`. */
  async open(onLost: (error: SnapheapError) => void, signal: AbortSignal): Promise<pg.Client> {
    signal.throwIfAborted()
    if (this.client === undefined) this.cut = new AbortController()
    const { cut } = this
    const forward = () => cut.abort(signal.reason)
    signal.addEventListener('abort', forward)
    this.onLost = onLost
    this.leaveSession = () => {
      signal.removeEventListener('abort', forward)
      this.onLost = () => undefined
    }
    this.client ??= await connect(this.options, 'replication', (error) => this.lost(error), cut.signal)
    return this.client
  }

  /** The session has ended. `isFollowed`: by another one at once. Never rejects. */
  async release(isFollowed: boolean): Promise<void> {
    const { client, isKept } = this
    this.leaveSession()
    if (client === undefined || (isKept && isFollowed && !isBusy(client))) return
    this.client = undefined
    await disconnect(client)
  }

  private lost(error: SnapheapError): void {
    this.client = undefined
    this.onLost(error)
  }
}
