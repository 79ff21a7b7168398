import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP connection through a `Network`. */
export interface NetworkPair {
  readonly client: Socket
  readonly server: Socket
  /**
   * Nothing is passed on, and the end of one side is not told to the other: as where a firewall has forgotten a
   * connection.
   */
  isSilent: boolean
}

/** A piece of what passes; what is returned is passed on instead of it, `undefined` makes the connection silent. */
export type Passing = (bytes: Buffer, pair: NetworkPair) => Buffer | undefined

/** Passes connections on to a port of this machine, as well or as badly as it is told. */
export class Network implements AsyncDisposable {
  readonly pairs = new Set<NetworkPair>()
  /** New connections are silent from the beginning. */
  isSilentToNew = false
  /** Sees, and may change, what goes to the server. */
  onRequest: Passing = (bytes) => bytes
  /** The same for what comes from it. */
  onAnswer: Passing = (bytes) => bytes
  /** Connections made so far. */
  count = 0
  private readonly listener = createServer((client) => this.accept(client))

  private constructor(private readonly serverPort: number) {}

  static async to(serverPort: number): Promise<Network> {
    const network = new Network(serverPort)
    network.listener.listen(0, '127.0.0.1')
    await once(network.listener, 'listening')
    return network
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port
  }

  /** The connections there are, or all from now on, carry nothing any more. */
  silence(isSilentToNew = false): void {
    for (const pair of this.pairs) pair.isSilent = true
    this.isSilentToNew = isSilentToNew
  }

  /** Ends the connections there are. */
  reset(): void {
    for (const { client, server } of this.pairs) {
      client.destroy()
      server.destroy()
    }
    this.pairs.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset()
    await new Promise((resolve) => this.listener.close(resolve))
  }

  private accept(client: Socket): void {
    this.count++
    const server = connect(this.serverPort, '127.0.0.1')
    const pair = { client, server, isSilent: this.isSilentToNew }
    this.pairs.add(pair)
    this.pass(client, server, pair, (bytes) => this.onRequest(bytes, pair))
    this.pass(server, client, pair, (bytes) => this.onAnswer(bytes, pair))
  }

  private pass(from: Socket, to: Socket, pair: NetworkPair, change: (bytes: Buffer) => Buffer | undefined): void {
    const end = () => {
      if (!pair.isSilent) to.destroy()
    }
    from.on('error', end)
    from.on('close', end)
    from.on('data', (bytes: Buffer) => {
      const passed = pair.isSilent ? undefined : change(bytes)
      if (passed === undefined) pair.isSilent = true
      else to.write(passed)
    })
  }
}
