import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PostgresServer } from './postgres'

/** Whether the `openssl` command is there, which makes the certificates. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** An authority of its own, in a folder of its own. */
export class Authority implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'snapheap-certificates-'))
  private serial = 0

  constructor(name: string) {
    const flags = ['-x509', '-days', '2', '-subj', `/CN=${name}`]
    this.openssl('req', ...flags, ...this.newKey('authority'), '-out', this.file('authority.crt'))
  }

  get certificate(): string {
    return this.read('authority.crt')
  }

  /** A certificate for `subject`, which may be expired, and its key, as PEM. */
  sign(subject: string, names: string, isExpired = false): { cert: string; key: string } {
    const name = `signed${++this.serial}`
    this.openssl('req', '-new', '-subj', `/CN=${subject}`, ...this.newKey(name), '-out', this.file(`${name}.csr`))
    writeFileSync(this.file(`${name}.ext`), names === '' ? '' : `subjectAltName = ${names}\n`)
    const by = [
      '-CA',
      this.file('authority.crt'),
      '-CAkey',
      this.file('authority.key'),
      '-set_serial',
      String(this.serial),
    ]
    const from = [
      '-in',
      this.file(`${name}.csr`),
      '-extfile',
      this.file(`${name}.ext`),
      '-out',
      this.file(`${name}.crt`),
    ]
    this.openssl('x509', '-req', ...by, ...from, '-days', isExpired ? '-1' : '2')
    return { cert: this.read(`${name}.crt`), key: this.read(`${name}.key`) }
  }

  /** The name of a file with this text. */
  write(name: string, text: string): string {
    writeFileSync(this.file(name), text)
    return this.file(name)
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private newKey(name: string): string[] {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', this.file(`${name}.key`)]
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' })
  }

  private file(name: string): string {
    return join(this.folder, name)
  }

  private read(name: string): string {
    return readFileSync(this.file(name), 'utf8')
  }
}

/** Writes files into the data folder of a server, as its own account, and has it read its configuration again. */
export async function configure(
  server: PostgresServer,
  files: Record<string, string>,
  settings: Record<string, string> = {},
) {
  const { rows } = await server.query('SHOW data_directory')
  const folder: string = rows[0].data_directory
  const { uid, gid } = statSync(folder)
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, 0o600)
    if (process.getuid?.() === 0) chownSync(path, uid, gid)
  }
  for (const [name, value] of Object.entries(settings)) await server.query(`ALTER SYSTEM SET ${name} = '${value}'`)
  await server.query('SELECT pg_reload_conf()')
}
