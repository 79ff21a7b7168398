import pg from 'pg'

/** A server that has not taken a request to cancel after this long does not get it. */
const CANCEL_WITHIN_MS = 2_000

/** What `pg` has and its types do not tell. */
interface ClientInside {
  readonly host: string
  readonly port: number
  readonly ssl: unknown
  readonly sslNegotiation: 'postgres' | 'direct'
  readonly processID: number | null
  readonly secretKey: number | null
  readonly connection: ConnectionInside
  _getActiveQuery(): unknown
}

interface ConnectionInside extends pg.Connection {
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processID: number, secretKey: number): void
}

const configs = new WeakMap<pg.Client, pg.ClientConfig>()

/** A client that `cutOff` can cancel the statements of. */
export function cancellableClient(config: pg.ClientConfig): pg.Client {
  const client = new pg.Client(config)
  configs.set(client, config)
  return client
}

/** The server process that serves a client, as soon as that is connected. */
export function serverPid(client: pg.Client): number | undefined {
  return inside(client).processID ?? undefined
}

/**
 * Ends a connection at once; queries under way are rejected. A statement is cancelled on the server,
 * too, which does not notice a lost client while it waits for a lock.
 */
export function cutOff(client: pg.Client): void {
  const { connection } = inside(client)
  if (isBusy(client)) cancel(client)
  connection.stream.destroy()
}

/** A statement has been sent and not been answered. */
export function isBusy(client: pg.Client): boolean {
  const query = inside(client)._getActiveQuery()
  return query !== null && query !== undefined
}

function cancel(client: pg.Client): void {
  const { processID, secretKey } = inside(client)
  const config = configs.get(client)
  if (processID === null || secretKey === null || config === undefined) return
  const { connection, host, port, ssl, sslNegotiation } = inside(new pg.Client(config))
  const timer = setTimeout(() => connection.stream.destroy(), CANCEL_WITHIN_MS)
  timer.unref()
  connection.on('error', () => undefined) // then the server finds out by itself that its client has gone
  connection.on('end', () => clearTimeout(timer))
  if (ssl && sslNegotiation !== 'direct') connection.on('connect', () => connection.requestSsl())
  // the server answers by closing the connection
  connection.on(ssl ? 'sslconnect' : 'connect', () => connection.cancel(processID, secretKey))
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`)
  else connection.connect(port, host)
}

function inside(client: pg.Client): ClientInside {
  return client as unknown as ClientInside
}
