// Run as a process of its own under a limit on file sizes: `full-device.ts native|plain FOLDER`. Saves a small state,
// then one beyond the limit, and prints as JSON what became of each.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { SnapheapError } from '../../../src/errors'
import { Heap } from '../../../src/heap/heap'
import { BLOCK_WORDS, RESERVED_BLOCKS } from '../../../src/heap/layout'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'

const [memoryName, folder] = process.argv.slice(-2)
const memory = memoryName === 'plain' ? plainMemory() : loadNativeMemory()!
const path = join(folder, 'heap')
const word = RESERVED_BLOCKS * BLOCK_WORDS

function write(heap: Heap, blocks: number, value: number): void {
  heap.begin()
  heap.writer.ensureBlocks(RESERVED_BLOCKS + blocks)
  for (let i = 0; i < blocks; i++) heap.writer.set(word + i * BLOCK_WORDS, value, 0)
  heap.commit()
}

async function outcome(work: Promise<void>): Promise<string> {
  return work.then(
    () => 'saved',
    (error) => (error instanceof SnapheapError ? `${error.code} ${error.details.systemCode}` : String(error)),
  )
}

async function stored(at: string): Promise<number> {
  const reader = Heap.open(memory, at, { create: false, readOnly: true })
  const value = reader.live.low(word)
  await reader.close()
  return value
}

const heap = Heap.open(memory, path, { create: true, readOnly: false })
write(heap, 10, 1)
const small = await outcome(heap.save())
write(heap, 500, 2)
const large = await outcome(heap.save())
const largeCopy = await outcome(heap.saveAs(join(folder, 'copy')))
const files = readdirSync(folder).filter((name) => !name.includes('.lock'))
const shown = { live: heap.live.low(word), stored: await stored(path), problems: heap.checkBlocks() }
heap.begin()
for (let i = 10; i < 500; i++) heap.writer.discard(RESERVED_BLOCKS + i)
heap.commit()
const smallAgain = await outcome(heap.saveAs(join(folder, 'copy')))
const storedAgain = await stored(join(folder, 'copy'))
await heap.close()
console.log(JSON.stringify({ small, large, largeCopy, files, shown, smallAgain, storedAgain }))
