// Run as a process of its own: `hold-lock.ts native|plain`. Takes orders on standard input: `lock PATH` tries the lock
// and answers `held` or the error's code and message on a line; `release` gives back what it holds and answers
// `released`.
import { createInterface } from 'node:readline'
import { SnapheapError } from '../../../src/errors'
import type { FileLock } from '../../../src/heap/memory'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'

const memory = process.argv.includes('plain') ? plainMemory() : loadNativeMemory()!
const held: FileLock[] = []
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'release') {
    for (const lock of held.splice(0)) lock.release()
    console.log('released')
    continue
  }
  try {
    held.push(memory.lock(line.slice('lock '.length)))
    console.log('held')
  } catch (error) {
    console.log(error instanceof SnapheapError ? `${error.code} ${error.message}` : String(error))
  }
}
