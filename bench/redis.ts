import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createClient, type RedisClient } from 'redis'
import { customersOf, STATUSES } from './data'
import type { Entrant } from './harness'
import { CITIES, PRODUCTS } from './shop-data'

const CHUNK_ROWS = 10_000

/** Runs Redis, and ends it by its pid when stdin ends, which it does however this process does. */
const UNTIL_STDIN_ENDS = `"$0" --port 0 --unixsocket "$1/redis" --dir "$1" --save '' --appendonly no > /dev/null & redis=$!
read -r _; kill "$redis"; wait "$redis"; rm -rf "$1"`

/** One hash for each order, customer and product, and a set of its orders' ids for each customer. */
const FILL = `
local statuses = {${STATUSES.map((each) => `'${each}'`).join(',')}}
for id = ARGV[1], ARGV[2] - 1 do
  local customer = id * 7919 % ARGV[3]
  redis.call('HSET', 'order:' .. id, 'customer', customer, 'product', id * 13 % ${PRODUCTS}, 'amount', id % 9973 + 0.25,
    'status', statuses[id % #statuses + 1])
  redis.call('SADD', 'customer:' .. customer .. ':orders', id)
end`
const FILL_CUSTOMERS = `for id = 0, ARGV[1] - 1 do redis.call('HSET', 'customer:' .. id, 'city', 'city ' .. id * 31 % ${CITIES}) end`
const FILL_PRODUCTS = `for id = 0, ${PRODUCTS} - 1 do redis.call('HSET', 'product:' .. id, 'price', id % 100 + 0.5) end`

/** What every contender on Redis has in common: a server with the orders of `rows`, and where to find it. */
export function onRedis<Contender>(rows: number, contender: Contender & Entrant): Contender & Entrant {
  const program = redisProgram()
  return {
    settings: 'over a unix socket, nothing persisted, one command awaited after the other',
    leftOut: program === undefined ? 'no redis-server is on PATH, nor named by REDIS_SERVER' : undefined,
    share: () => serverOf(program!, rows),
    ...contender,
  }
}

/** A client of a server that another process has started. */
export async function redisAt(socket: unknown): Promise<RedisClient> {
  const client = createClient({ socket: { path: socket as string } })
  await client.connect()
  return client
}

const servers = new Map<number, Promise<string>>()

/** One server for all contenders of a task. */
function serverOf(program: string, rows: number): Promise<string> {
  const server = servers.get(rows) ?? redisWithOrders(program, rows)
  servers.set(rows, server)
  return server
}

/** The path of the socket of a server that ends with this process. */
async function redisWithOrders(program: string, rows: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-redis-'))
  const shell = spawn('sh', ['-c', UNTIL_STDIN_ENDS, program, folder], { stdio: ['pipe', 'ignore', 'inherit'] })
  shell.unref()
  const socket = join(folder, 'redis')
  const started = performance.now()
  while (!existsSync(socket)) {
    if (performance.now() - started > 10_000) throw new Error(`${program} did not start.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const client = await redisAt(socket)
  const customers = customersOf(rows)
  const fill = (script: string, ...numbers: number[]) =>
    client.eval(script, { keys: [], arguments: numbers.map(String) })
  for (let from = 0; from < rows; from += CHUNK_ROWS)
    await fill(FILL, from, Math.min(rows, from + CHUNK_ROWS), customers)
  await fill(FILL_CUSTOMERS, customers)
  await fill(FILL_PRODUCTS)
  await client.close()
  return socket
}

function redisProgram(): string | undefined {
  const named = process.env.REDIS_SERVER
  if (named !== undefined) return named
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, 'redis-server')).find(existsSync)
}
