import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { type ConnectionOptions, connect } from '../../src/mirror/connection'
import { mirror } from '../../src/mirror/mirror'
import { Authority, configure, hasOpenssl } from '../support/certificates'
import { type PostgresServer, startPostgres } from '../support/postgres'

// Without the openssl command there is nothing here that could make certificates.
describe.skipIf(!hasOpenssl())('TLS', () => {
  const authority = hasOpenssl() ? new Authority('The right one') : (undefined as never)
  const stranger = hasOpenssl() ? new Authority('Another one') : (undefined as never)
  let server: PostgresServer
  let base: pg.ClientConfig
  beforeAll(async () => {
    server = await startPostgres()
    await server.query(`SET password_encryption = 'scram-sha-256';
      CREATE ROLE with_password LOGIN REPLICATION PASSWORD 'p#ss w/rd'; CREATE ROLE with_certificate LOGIN REPLICATION;
      CREATE ROLE with_both LOGIN REPLICATION PASSWORD 'p#ss w/rd';
      CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one');
      GRANT SELECT ON t TO with_password, with_certificate, with_both; CREATE PUBLICATION secured FOR TABLE t`)
    const { cert, key } = authority.sign('server', 'DNS:localhost')
    const lines = [
      'local all postgres trust',
      'hostssl all with_password all scram-sha-256',
      'hostssl all with_certificate all cert',
      'hostssl all with_both all scram-sha-256 clientcert=verify-full',
    ]
    const files = { 'server.crt': cert, 'server.key': key, 'authority.crt': authority.certificate }
    await configure(
      server,
      { ...files, 'pg_hba.conf': `${lines.join('\n')}\n` },
      { ssl_ca_file: 'authority.crt', ssl: 'on' },
    )
    base = { host: 'localhost', port: server.tcpConnection.port, database: 'postgres' }
  })
  afterAll(async () => {
    await server?.close()
    authority[Symbol.dispose]()
    stranger[Symbol.dispose]()
  })

  const secret = { user: 'with_password', password: 'p#ss w/rd' }
  const ca = () => authority.certificate
  const certificate = (of: Authority, name: string) => of.sign(name, '')

  async function expectMirrored(connection: ConnectionOptions, slot: string): Promise<void> {
    const db = Store.open()
    const over = await mirror(db, { connection, tables: ['t'], publication: 'secured', slot })
    await over.ready
    await server.query(`UPDATE t SET v = v || '!'`)
    const [row] = (await server.query('SELECT pg_current_wal_insert_lsn()::text AS lsn, v FROM t')).rows
    await over.waitFor(row.lsn)
    expect(db.table('t').get(1)).toEqual({ id: 1, v: row.v })
    expect((await over.verify()).isSame).toBe(true)
    const { rows } = await server.query(
      `SELECT bool_and(s.ssl) AS ssl, count(*)::int AS senders FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid)`,
    )
    expect(rows).toEqual([{ ssl: true, senders: 1 }])
    await over.close()
    expect(db.check().problems).toEqual([])
    await db.close()
  }

  test('a server with a certificate of an own authority, full verification, and a password bound to the channel', async () => {
    await expectMirrored(
      { ...base, ...secret, ssl: { ca: ca() }, enableChannelBinding: true } as pg.ClientConfig,
      'bound',
    )
  })

  test('a client certificate, and one together with a password, in a configuration object and in a URL', async () => {
    await expectMirrored(
      { ...base, user: 'with_certificate', ssl: { ca: ca(), ...certificate(authority, 'with_certificate') } },
      'by_certificate',
    )
    const { cert, key } = certificate(authority, 'with_both')
    const files = new URLSearchParams({
      sslmode: 'verify-full',
      sslrootcert: authority.write('root.crt', ca()),
      sslcert: authority.write('client.crt', cert),
      sslkey: authority.write('client.key', key),
    })
    const password = encodeURIComponent(secret.password)
    await expectMirrored(`postgres://with_both:${password}@localhost:${base.port}/postgres?${files}`, 'by_both')
  })

  test('what is wrong with the encryption is told with the option of the connection that mends it', async () => {
    const mismatched = { ...certificate(authority, 'with_both'), key: certificate(authority, 'with_both').key }
    const wrong: [connection: ConnectionOptions, remedy: RegExp][] = [
      [{ ...base, ...secret, ssl: true }, /SELF_SIGNED|UNABLE_TO.*Set ssl\.ca of the connection.*sslrootcert/],
      [{ ...base, ...secret, ssl: { ca: stranger.certificate } }, /Set ssl\.ca of the connection/],
      [{ ...base, ...secret, host: '127.0.0.1', ssl: { ca: ca() } }, /ALTNAME_INVALID.*Set host of the connection/],
      [{ ...base, ...secret }, /no encryption.*Set ssl of the connection to \{ ca \}/],
      [
        { ...base, user: 'with_certificate', ssl: { ca: ca() } },
        /client certificate.*Set ssl\.cert and ssl\.key of the connection/,
      ],
      [
        { ...base, user: 'with_certificate', ssl: { ca: ca(), ...certificate(stranger, 'with_certificate') } },
        /Set ssl\.cert and ssl\.key of the connection/,
      ],
      [
        { ...base, user: 'with_certificate', ssl: { ca: ca(), ...certificate(authority, 'with_both') } },
        /certificate authentication failed.*Set ssl\.cert/,
      ],
      [
        { ...base, user: 'with_both', ssl: { ca: ca(), ...mismatched } },
        /Set ssl\.key of the connection to the key that belongs/,
      ],
      [{ ...base, ...secret, ssl: { ca: ca(), cert: 'client.crt', key: 'client.key' } }, /the text of PEM files/],
      [
        `postgres://with_both@localhost:${base.port}/postgres?sslrootcert=/nowhere.crt`,
        /nowhere\.crt.*Check the names of files in sslrootcert/,
      ],
    ]
    for (const [connection, remedy] of wrong)
      await expect(connect(connection, 'query')).rejects.toMatchObject({
        code: 'POSTGRES',
        message: expect.stringMatching(remedy),
      })
  })

  test('an expired certificate, and a server without encryption, are told as such', async () => {
    await using other = await startPostgres()
    const { port } = other.tcpConnection
    const over = () => connect({ ...other.tcpConnection, host: 'localhost', port, ssl: { ca: ca() } }, 'query')
    await expect(over()).rejects.toMatchObject({
      message: expect.stringMatching(/Set ssl of the connection to false.*ssl = on/),
    })
    const { cert, key } = authority.sign('server', 'DNS:localhost', true)
    await configure(other, { 'server.crt': cert, 'server.key': key }, { ssl: 'on' })
    await waitForTls(port)
    await expect(over()).rejects.toMatchObject({ message: expect.stringMatching(/CERT_HAS_EXPIRED.*renewed.*ssl\.ca/) })
  })

  test('a password bound to the channel is not given to somebody in between who has a valid certificate', async () => {
    const { cert, key } = authority.sign('in between', 'DNS:localhost')
    await using between = await interceptor(base.port!, { cert, key })
    const connection = { ...base, ...secret, port: between.port, ssl: { ca: ca() } }
    const client = await connect(connection, 'query') // nothing shows it without the binding
    await client.end()
    const binding = { ...connection, enableChannelBinding: true } as pg.ClientConfig
    await expect(connect(binding, 'query')).rejects.toMatchObject({
      code: 'POSTGRES',
      message: expect.stringMatching(/channel binding.*Set host and ssl\.ca of the connection/i),
    })
  })
})

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Asks a server for encryption; returns the connection when it agrees, else undefined. */
async function askForTls(port: number): Promise<net.Socket | undefined> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(SSL_REQUEST)
  const [answer] = await once(socket, 'data')
  if (String(answer) === 'S') return socket
  socket.destroy()
  return undefined
}

async function waitForTls(port: number): Promise<void> {
  for (;;) {
    const socket = await askForTls(port)
    if (socket !== undefined) return void socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/**
 * Ends the encryption of a client with a certificate of its own, and passes on what it reads over another encrypted
 * connection.
 */
async function interceptor(upstreamPort: number, own: { cert: string; key: string }) {
  const sockets = new Set<net.Socket>()
  const keep = <S extends net.Socket>(socket: S): S => {
    sockets.add(socket)
    return socket.on('error', () => undefined)
  }
  const listener = net.createServer(async (client) => {
    keep(client)
    await once(client, 'data')
    const upstream = await askForTls(upstreamPort)
    client.write('S')
    const front = keep(new tls.TLSSocket(client, { isServer: true, ...own }))
    const back = keep(tls.connect({ socket: keep(upstream!), rejectUnauthorized: false }))
    front.pipe(back).pipe(front)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      listener.close()
    },
  }
}
