import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { FileWindows } from '../../src/heap/file-windows'
import { BLOCK_BYTES, LARGEST_WINDOW_BLOCKS, SMALLEST_WINDOW_BLOCKS, WINDOW_SHIFT } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import { Windows } from '../../src/heap/windows'
import { nativeMemory, temporaryFolder } from './support/memories'

const KEPT = 2048

/** Windows whose memory tells how much of it was given back to the kernel, altogether and at most in one turn. */
function watched() {
  const given = { blocks: 0, mostPerTurn: 0 }
  let thisTurn = 0
  const memory = Object.create(nativeMemory()) as Memory
  const { advise } = memory
  memory.advise = function (this: Memory, window, offsetBytes, sizeBytes, advice) {
    given.blocks += sizeBytes / BLOCK_BYTES
    if (thisTurn === 0) setImmediate(() => (thisTurn = 0))
    thisTurn += sizeBytes / BLOCK_BYTES
    given.mostPerTurn = Math.max(given.mostPerTurn, thisTurn)
    advise.call(memory, window, offsetBytes, sizeBytes, advice)
  }
  const windows = new Windows(memory)
  onTestFinished(() => windows.close())
  const bytesOf = (block: number) => windows.blockBytes(block)
  return { windows, given, bytesOf }
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}

test('free blocks beyond those kept are given back to the kernel, a little in each turn, and read as zeros', async () => {
  const { windows, given, bytesOf } = watched()
  const held = windows.takeBlock()
  bytesOf(held).fill(9)
  const blocks = Array.from({ length: 2 * KEPT }, () => windows.takeBlock())
  for (const block of blocks) bytesOf(block).fill(7)
  for (const [i, block] of blocks.entries()) if (i % 3 === 0) windows.giveBlock(block)
  for (const [i, block] of blocks.entries()) if (i % 3 !== 0) windows.giveBlock(block)
  expect(given.blocks).toBe(0)
  await turns(100)
  expect(given.blocks).toBe(KEPT)
  expect(given.mostPerTurn).toBeLessThan(KEPT / 10)
  expect(new Set(windows.freeBlocks())).toEqual(new Set(blocks))
  const again = Array.from({ length: 2 * KEPT }, () => windows.takeZeroBlock())
  expect(new Set(again)).toEqual(new Set(blocks))
  for (const block of again) expect(bytesOf(block).every((byte) => byte === 0)).toBe(true)
  expect(bytesOf(held).every((byte) => byte === 9)).toBe(true)
})

test('what is taken again meanwhile is not given back', async () => {
  const { windows, given, bytesOf } = watched()
  const blocks = Array.from({ length: 2 * KEPT }, () => windows.takeBlock())
  for (const block of blocks) windows.giveBlock(block)
  await turns(3)
  const taken = Array.from({ length: KEPT }, () => windows.takeBlock())
  for (const block of taken) bytesOf(block).fill(5)
  await turns(100)
  expect(given.blocks).toBeLessThan(KEPT)
  for (const block of taken) expect(bytesOf(block).every((byte) => byte === 5)).toBe(true)
  expect(windows.freeBlocks().some((block) => taken.includes(block))).toBe(false)
})

test('closing ends giving back', async () => {
  const { windows, given } = watched()
  const blocks = Array.from({ length: 2 * KEPT }, () => windows.takeBlock())
  for (const block of blocks) windows.giveBlock(block)
  windows.close()
  await turns(10)
  expect(given.blocks).toBe(0)
})

test('each window of changed blocks is as large as those before it together, from 32 MiB to 1 GiB', () => {
  const { windows } = watched()
  const blocksOf = new Map<number, number>()
  while (blocksOf.size < 9) {
    const slot = windows.takeBlock() >>> WINDOW_SHIFT
    blocksOf.set(slot, (blocksOf.get(slot) ?? 0) + 1)
  }
  const sizes = [...blocksOf.keys()].map((slot) => windows.buffers[slot]!.byteLength / BLOCK_BYTES)
  expect(sizes).toEqual([1, 1, 2, 4, 8, 16, 32, 32, 32].map((times) => times * SMALLEST_WINDOW_BLOCKS))
  expect(sizes.at(-1)).toBe(LARGEST_WINDOW_BLOCKS)
  expect([...blocksOf.values()].slice(0, -1)).toEqual(sizes.slice(0, -1)) // each was used up before the next
})

test('a file that grows is read through more windows, and what was read before is read in the same places', () => {
  const { windows, bytesOf } = watched()
  const path = join(temporaryFolder(), 'file')
  const fd = openSync(path, 'w+')
  onTestFinished(() => closeSync(fd))
  const fileWindows = new FileWindows(windows, fd)
  const physical = new Map<number, number>()
  let blocks = 1
  for (const grown of [10, 1023, 1024, 1025, 3000, 4096, 100_000]) {
    ftruncateSync(fd, grown * BLOCK_BYTES)
    const written = [blocks, blocks + 1, Math.ceil((blocks + grown) / 2), grown - 1].filter((place) => place < grown)
    for (const place of written) writeSync(fd, Buffer.from(new Uint32Array([place]).buffer), 0, 4, place * BLOCK_BYTES)
    fileWindows.cover(blocks, grown)
    for (const place of written) physical.set(place, fileWindows.physicalOf(place))
    for (const [place, block] of physical) {
      expect(fileWindows.physicalOf(place)).toBe(block)
      expect(fileWindows.placeOf(block)).toBe(place)
      expect(Buffer.from(bytesOf(block)).readUInt32LE(0)).toBe(place)
    }
    blocks = grown
  }
  expect(physical.size).toBeGreaterThan(15)
  expect(fileWindows.placeOf(windows.takeBlock())).toBe(0)
  fileWindows.release()
  expect(windows.buffers.filter((buffer) => buffer !== undefined)).toHaveLength(2) // of zeros, and of changed blocks
})
