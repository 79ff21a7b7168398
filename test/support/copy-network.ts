import { Network, type NetworkPair } from './network'

interface Stop {
  table: string
  afterBytes: number
  /** Of the table since the stop was set. */
  passedBytes: number
  reached: () => void
  /** The connection, and what was to be passed on. */
  held: [pair: NetworkPair, bytes: Buffer][]
}

/** A network that tells which tables are copied through it, and that can stop such a copy midway. */
export class CopyNetwork implements AsyncDisposable {
  /** The tables and partitions, of the schema `public`, whose rows were asked for by COPY, in this order. */
  readonly copied: string[] = []
  /** By table: bytes that the server has sent in answer to COPY. */
  readonly sentBytes = new Map<string, number>()
  private readonly copying = new Map<NetworkPair, string>()
  private stop: Stop | undefined
  /** The connection that has made the newest slot for a copy beside tables that are followed. */
  private slotOwner: NetworkPair | undefined

  private constructor(private readonly network: Network) {
    network.onRequest = (bytes, pair) => {
      const request = bytes.toString('latin1')
      if (/CREATE_REPLICATION_SLOT "\w+_copy"/.test(request)) this.slotOwner = pair
      const table = /COPY .*?"public"\."(\w+)".* TO STDOUT/s.exec(request)?.[1]
      if (table !== undefined) {
        this.copied.push(table)
        this.copying.set(pair, table)
      }
      return bytes
    }
    network.onAnswer = (bytes, pair) => this.pass(bytes, pair)
  }

  static async to(serverPort: number): Promise<CopyNetwork> {
    return new CopyNetwork(await Network.to(serverPort))
  }

  get port(): number {
    return this.network.port
  }

  /**
   * Holds back rows of a table after so many more bytes of them, until `goOn` or `cut`. Resolves when it has come to
   * that.
   */
  stopAt(table: string, afterBytes: number): Promise<void> {
    return new Promise((reached) => {
      this.stop = { table, afterBytes, passedBytes: 0, reached, held: [] }
    })
  }

  /** Passes on what was held back. */
  goOn(): void {
    for (const [{ client }, bytes] of this.stop?.held ?? []) client.write(bytes)
    this.stop = undefined
  }

  /** Ends all connections. */
  cut(): void {
    this.stop = undefined
    this.copying.clear()
    this.network.reset()
  }

  /** Ends the connection that has made the slot of the copy. The server does not notice, and keeps the slot for it. */
  loseSlotOwner(): void {
    const owner = this.slotOwner!
    owner.isSilent = true
    owner.client.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]()
  }

  private pass(bytes: Buffer, pair: NetworkPair): Buffer {
    const table = this.copying.get(pair)
    if (table === undefined) return bytes
    this.sentBytes.set(table, (this.sentBytes.get(table) ?? 0) + bytes.length)
    const { stop } = this
    if (table !== stop?.table) return bytes
    stop.passedBytes += bytes.length
    if (stop.passedBytes < stop.afterBytes) return bytes
    stop.held.push([pair, Buffer.from(bytes)])
    stop.reached()
    return Buffer.alloc(0)
  }
}
