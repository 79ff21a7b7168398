// Run as a process of its own: `hold-lock.ts native|plain`. For every path on standard input it tries the lock and
// answers `held` or the error's code on a line; what it got it holds until it dies.
import { createInterface } from 'node:readline'
import { SnapheapError } from '../../../src/errors'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'

const memory = process.argv.includes('plain') ? plainMemory() : loadNativeMemory()!
const held: unknown[] = []
for await (const path of createInterface({ input: process.stdin })) {
  try {
    held.push(memory.lock(path))
    console.log('held')
  } catch (error) {
    console.log(error instanceof SnapheapError ? error.code : String(error))
  }
}
