import { expect, onTestFinished, test } from 'vitest'
import { BLOCK_BYTES } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import { Windows } from '../../src/heap/windows'
import { nativeMemory } from './support/memories'

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
