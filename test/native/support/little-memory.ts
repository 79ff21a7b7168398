// Asks native loops for more memory than its process may have. Prints what each threw, and whether a database works on.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { open } from 'snapheap'
import { loadNativeMemory } from '../../../src/heap/native-memory'

const BLOCK_WORDS = 4096
const COUNT = 2 ** 25
const loops = loadNativeMemory()!.kernels!

/** One block that is all of a heap of COUNT words, none of which is absent. */
const block = new ArrayBuffer(BLOCK_WORDS * 8)
new Float64Array(block).fill(1)
const heap = [new Uint32Array(COUNT / BLOCK_WORDS), [block]] as const
const none = new Int32Array(0)
const [starts, ends, words, groups] = [COUNT, COUNT, COUNT * 2, COUNT * 4].map((length) => new Int32Array(length))
const [numbers, listEnds, hashes, totals] = [COUNT, COUNT, COUNT, 2].map((length) => new Uint32Array(length))

const CALLS: Readonly<Record<string, () => unknown>> = {
  scanWords: () =>
    loops.scanWords(...heap, Int32Array.of(1, 0, 0, 0, 0, COUNT), words!, new Uint32Array(2), 0, 0, 9, none),
  groupTexts: () => loops.groupTexts(7, new Uint8Array(1), starts!, ends!, 0, COUNT, words!, 0, groups!),
  sortIndex: () => loops.sortIndex(...heap, 0, COUNT, 7, 1024, COUNT, numbers!, listEnds!, hashes!, totals!),
}

function allow(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${bytes}:`])
}

async function outcome(run: () => unknown): Promise<string> {
  try {
    await run()
    return 'returned'
  } catch (error) {
    return `${(error as { code?: string }).code} ${(error as Error).message}`
  }
}

const db = await open()
db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
const taken = Number(/VmSize:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
allow(taken + 3 * 2 ** 26) // the least of the loops takes 256 MiB, and the engine needs some itself
const little: Record<string, string> = {}
for (const [name, run] of Object.entries(CALLS)) little[name] = await outcome(run)
db.write((tx) => tx.insert('t', { id: 1 }))
allow('unlimited')
const enough: Record<string, string> = {}
for (const [name, run] of Object.entries(CALLS)) enough[name] = await outcome(run)
db.check()
process.stdout.write(JSON.stringify({ little, enough, sorted: totals![0], rows: db.table('t').rowCount }))
