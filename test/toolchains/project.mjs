// A folder as a user's project is: this library installed from a tarball, the tools of one toolchain, and a program.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const here = dirname(fileURLToPath(import.meta.url))
export const root = join(here, '../..')
const versions = JSON.parse(readFileSync(join(here, 'versions.json'), 'utf8'))

const RUN = '\nmain().then((line) => console.log(line), (error) => { console.error(error); process.exit(1) })\n'

export class Project {
  folder = mkdtempSync(join(tmpdir(), 'snapheap-toolchain-'))

  write(name, text) {
    const file = join(this.folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text, undefined, 2))
    return file
  }

  /** What `package.json` begins with; dependencies are added by the installation. */
  begin(manifest) {
    this.manifest = { private: true, type: 'module', ...manifest }
    this.write('package.json', this.manifest)
  }

  /** Installs the tarball and packages by npm. */
  install(tarball, packages, flags = []) {
    const wanted = packages.map((name) => `${name}@${versions[name]}`)
    this.exec('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...flags, tarball, ...wanted])
  }

  /** The same without a network: `unpacked` is what the tarball holds, and packages are those of this repository. */
  link(unpacked, packages) {
    const modules = join(this.folder, 'node_modules')
    cpSync(unpacked, join(modules, 'snapheap'), { recursive: true })
    const { dependencies } = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'))
    for (const name of [...Object.keys(dependencies), ...packages])
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }

  /** Runs a command, at most five minutes. Returns its output; throws with it when the command fails. */
  exec(command, args, env = {}) {
    const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
      cwd: this.folder,
      encoding: 'utf8',
      timeout: 300_000,
      maxBuffer: 64 << 20,
      env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: undefined, VITEST: undefined, CI: '1', ...env },
    })
    if (status === 0) return stdout
    throw new Error(`${command} ${args.join(' ')} ended with ${error?.code ?? signal ?? status}.\n${stdout}${stderr}`)
  }

  node(...args) {
    return this.exec(process.execPath, args)
  }

  /** Runs a program that a package brings by Node, whatever the shell is. */
  tool(path, ...args) {
    return this.node(join(this.folder, 'node_modules', path), ...args)
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** The program in TypeScript, with the tables as one of the files `by-….ts` defines them. */
export function program(tables, { isRun = true } = {}) {
  const read = (name) => readFileSync(join(here, name), 'utf8')
  const main = read('main.ts').replace(/^import .* from '\.\/by-table'\n/m, '')
  return `${read(`by-${tables}.ts`)}${main}${isRun ? RUN : ''}`
}

/** The same in JavaScript. */
export function javascript(tables, { isRun = true, module = ts.ModuleKind.ESNext } = {}) {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module }
  return ts.transpileModule(program(tables, { isRun }), { compilerOptions }).outputText
}

/** Thrown by a case that cannot be run here. */
export class Skipped extends Error {}

/** Throws unless the output of the program says that it ran, in native memory. */
export function ensureNative(output) {
  if (!output.includes('native memory')) throw new Error(`The program printed:\n${output}`)
}
