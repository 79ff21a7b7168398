import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { build, type Plugin } from 'vite'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** What a user's program imports, and the source that stands for it. */
const PACKAGE_SOURCES = {
  snapheap: join(root, 'src/index.ts'),
  'snapheap/functions': join(root, 'src/functions.ts'),
  'snapheap/postgres': join(root, 'src/postgres.ts'),
}

/** The bundle lies elsewhere, but the addon is looked for from where the source is. */
const keepSourceUrl: Plugin = {
  name: 'keep-source-url',
  enforce: 'pre',
  transform: (code, id) => code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)),
}

/**
 * What the compiler has against a program that imports this library by its package name, in its words. The library is
 * checked by itself.
 */
export function typeErrors(file: string): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const paths = Object.fromEntries(Object.entries(PACKAGE_SOURCES).map(([name, source]) => [name, [source]]))
  const program = ts.createProgram([file], { ...options, paths })
  const own = program.getSourceFiles().filter((each) => !each.isDeclarationFile && !isOfLibrary(each.fileName))
  const diagnostics = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...own.flatMap((each) => [...program.getSyntacticDiagnostics(each), ...program.getSemanticDiagnostics(each)]),
  ]
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

function isOfLibrary(fileName: string): boolean {
  return ts.sys.resolvePath(fileName).startsWith(join(root, 'src', '/'))
}

/** What a program printed. */
export interface Output {
  /** Of its process; null where a signal ended it. */
  exitCode: number | null
  stdout: string
  stderr: string
}

/** Bundles a TypeScript program as a user's build would leave it, beside its source; `remove` takes it away again. */
export async function bundleProgram(file: string): Promise<{ bundle: string; remove: () => void }> {
  const runs = join(dirname(file), '.run') // beside the source, where its packages are found
  mkdirSync(runs, { recursive: true })
  const outDir = mkdtempSync(join(runs, `${process.pid}-`)) // whose it is, as scripts/run-bundled.mjs reads it
  const remove = (): void => rmSync(outDir, { recursive: true, force: true })
  try {
    await build({
      configFile: false,
      logLevel: 'error',
      root: dirname(file),
      plugins: [keepSourceUrl],
      resolve: {
        alias: Object.entries(PACKAGE_SOURCES).map(([name, source]) => ({
          find: new RegExp(`^${name}$`),
          replacement: source,
        })),
      },
      build: { ssr: file, outDir, target: 'node20', rolldownOptions: { output: { entryFileNames: '[name].mjs' } } },
    })
    return { bundle: join(outDir, basename(file).replace(/\.ts$/, '.mjs')), remove }
  } catch (error) {
    remove()
    throw error
  }
}

/**
 * Runs a TypeScript program in a process of its own, as a user's build would leave it: bundled, importing this library
 * by its package name. `flags` are for node.
 */
export async function runProgram(
  file: string,
  env: Record<string, string> = {},
  flags: string[] = [],
): Promise<Output> {
  const { bundle, remove } = await bundleProgram(file)
  try {
    return await runFile(bundle, env, flags)
  } finally {
    remove()
  }
}

/** Runs a program in JavaScript in a process of its own. */
export async function runFile(file: string, env: Record<string, string> = {}, flags: string[] = []): Promise<Output> {
  const child = spawn(process.execPath, [...flags, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: 110_000, // on a busy machine
    killSignal: 'SIGKILL',
  })
  const exited = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  const [exitCode, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)])
  return { exitCode, stdout, stderr }
}
