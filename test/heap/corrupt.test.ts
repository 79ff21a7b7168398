import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import {
  encodeMap,
  encodeRoot,
  FORMAT_VERSION,
  HEADER,
  mapBlocks,
  ROOT_SLOT,
  ROOT_SLOT_OFFSETS,
} from '../../src/heap/file-format'
import { nodeFiles } from '../../src/heap/files'
import { Heap } from '../../src/heap/heap'
import { BLOCK_BYTES, BLOCK_WORDS, RESERVED_BLOCKS, ROOT } from '../../src/heap/layout'
import { PoolFile } from '../../src/heap/pool-file'
import { verifyFile } from '../../src/heap/verify'
import { codeOf, fingerprint, HEAP_MEMORIES, inTransaction, withFolder } from '../support/heap'
import { temporaryFolder } from './support/memories'

const READ = { create: false, readOnly: true }
const HEADER_BYTES = HEADER.sizeBytes
const DAMAGE = ['CORRUPT', 'VERSION']

describe.each(HEAP_MEMORIES)('damaged files on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()
  /** A file that was saved three times: its bytes, what matters in it, and the state that each root shows. */
  let whole: Buffer
  let file: Pick<PoolFile, 'root' | 'places' | 'checksums'>
  let ranges: [from: number, to: number][]
  let states: string[]

  beforeAll(() =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      const heap = Heap.open(memory, path, { create: true, readOnly: false })
      states = []
      for (let save = 1; save <= 3; save++) {
        inTransaction(heap, () => {
          const address = heap.allocator.allocate(5 * BLOCK_WORDS)
          for (let i = 0; i < 5; i++) heap.writer.set(address + i * BLOCK_WORDS + 9, save, i)
        })
        await heap.save()
        states.push(fingerprint(heap.live))
      }
      await heap.close()
      whole = readFileSync(path)
      const opened = PoolFile.open(memory, nodeFiles, path, false)
      opened.close()
      file = opened
      const blocks = new Set<number>()
      for (let save = 1; save <= 3; save++) {
        const state = PoolFile.open(memory, nodeFiles, path, false, ({ sequence }) => sequence === save)
        state.close()
        for (const place of state.places) if (place !== 0) blocks.add(place)
        for (let i = 0; i < mapBlocks(state.root.mapEntries); i++) blocks.add(state.root.mapBlock + i)
      }
      ranges = [...blocks].map((place) => [place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES])
      ranges.push([0, HEADER_BYTES])
      for (const offset of ROOT_SLOT_OFFSETS) ranges.push([offset, offset + ROOT_SLOT.sizeBytes])
    }),
  )

  function isLiveDamage(bytes: Buffer): boolean {
    return ranges.some(([from, to]) => !bytes.subarray(from, to).equals(whole.subarray(from, to)))
  }

  /** Opens the file if that is possible and reads every word of it. Returns the state shown, or the error's code. */
  async function openAndRead(path: string): Promise<string> {
    let heap: Heap
    try {
      heap = Heap.open(memory, path, READ)
    } catch (error) {
      return (error as SnapheapError).code ?? String(error)
    }
    const state = fingerprint(heap.live)
    await heap.close()
    return state
  }

  async function verifies(path: string): Promise<boolean> {
    const code = await codeOf(() => verifyFile(memory, nodeFiles, path))
    if (code !== 'no error') expect(DAMAGE).toContain(code)
    return code === 'no error'
  }

  test('a whole file verifies, and says what it holds', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      writeFileSync(path, whole)
      const progress: number[] = []
      const verified = await verifyFile(memory, nodeFiles, path, ({ checkedBlocks, totalBlocks }) =>
        progress.push(checkedBlocks / totalBlocks),
      )
      const { version, timeMs } = file.root
      expect(verified).toMatchObject({ version, savedAtMs: timeMs, annotation: '', states: 3 })
      expect(verified.bytes).toBe((ranges.length - 2) * BLOCK_BYTES) // the header is three ranges
      expect(verified.blocks).toBe(ranges.length - 3 - 3 * mapBlocks(file.root.mapEntries))
      expect(progress.at(-1)).toBe(1)
      expect(progress).toEqual([...progress].sort((a, b) => a - b))
      expect(await openAndRead(path)).toBe(states[2])
      expect(await codeOf(() => verifyFile(memory, nodeFiles, join(folder, 'missing')))).toBe('NOT_FOUND')
      expect(await codeOf(() => verifyFile(memory, nodeFiles, folder))).toBe('IO')
    }))

  test('a changed byte anywhere in the header or the roots is found, and opening shows a saved state or refuses', async () => {
    const path = join(temporaryFolder(), 'heap')
    const bytes = Buffer.from(whole)
    for (const [from, to] of ranges.filter(([, end]) => end <= BLOCK_BYTES)) {
      for (let at = from; at < to; at++) {
        bytes[at] ^= 1 << (at & 7)
        writeFileSync(path, bytes)
        if (await verifies(path)) expect.fail(`byte ${at} is changed and verify does not see it`)
        if (at % 37 === 0) expect([...DAMAGE, ...states]).toContain(await openAndRead(path))
        bytes[at] = whole[at]
      }
    }
  })

  test('random changes of bytes are found wherever they matter, and opening such a file never crashes', async () => {
    const path = join(temporaryFolder(), 'heap')
    const change = fc.record({
      at: fc.oneof(fc.nat(whole.length - 1), fc.nat(BLOCK_BYTES - 1)),
      mask: fc.integer({ min: 1, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const bytes = Buffer.from(whole)
        for (const { at, mask } of changes) bytes[at] ^= mask
        writeFileSync(path, bytes)
        const isDamaged = isLiveDamage(bytes)
        expect(await verifies(path)).toBe(!isDamaged)
        const shown = await openAndRead(path)
        if (!isDamaged) expect(shown).toBe(states[2])
        else if (shown.length < 40) expect(DAMAGE).toContain(shown)
      }),
      { numRuns: 150 },
    )
  })

  test('a file cut at any length is refused or shows a whole saved state, and never verifies', async () => {
    const path = join(temporaryFolder(), 'heap')
    const expectCut = async (length: number): Promise<void> => {
      writeFileSync(path, whole.subarray(0, length))
      expect(['CORRUPT', ...states]).toContain(await openAndRead(path))
      expect(await verifies(path)).toBe(false)
    }
    for (let length = 0; length < whole.length; length += BLOCK_BYTES) await expectCut(length)
    await fc.assert(fc.asyncProperty(fc.nat(whole.length - 1), expectCut), { numRuns: 60 })
  })

  test('what follows the newest state does no harm', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      writeFileSync(path, Buffer.concat([whole, Buffer.alloc(3 * BLOCK_BYTES + 77, 0xa5)]))
      expect([await openAndRead(path), await verifies(path)]).toEqual([states[2], true])
    }))

  test('blocks that changed places are found', async () => {
    const path = join(temporaryFolder(), 'heap')
    const place = fc.nat(whole.length / BLOCK_BYTES - 1)
    await fc.assert(
      fc.asyncProperty(place, place, async (a, b) => {
        const bytes = Buffer.from(whole)
        whole.copy(bytes, a * BLOCK_BYTES, b * BLOCK_BYTES, (b + 1) * BLOCK_BYTES)
        whole.copy(bytes, b * BLOCK_BYTES, a * BLOCK_BYTES, (a + 1) * BLOCK_BYTES)
        writeFileSync(path, bytes)
        expect(await verifies(path)).toBe(!isLiveDamage(bytes))
        const shown = await openAndRead(path)
        if (shown.length < 40) expect(DAMAGE).toContain(shown)
      }),
      { numRuns: 60 },
    )
  })

  test('the error names the damaged blocks and counts those it does not name', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      const bytes = Buffer.from(whole)
      const blocks = [...file.places.keys()].filter((block) => file.places[block] !== 0)
      for (const block of blocks) bytes[file.places[block] * BLOCK_BYTES + 5] ^= 1
      writeFileSync(path, bytes)
      const error: SnapheapError = await verifyFile(memory, nodeFiles, path).catch((reason) => reason)
      expect([error.code, error.details.damagedBlocks]).toEqual(['CORRUPT', blocks.length])
      const named = error.details.blocks as number[]
      expect(named.length).toBeGreaterThan(5)
      for (const block of named) expect(blocks).toContain(block)
      expect(error.message).toContain(path)
      expect(error.message).toContain(named.join(', '))
    }))

  test('files of random bytes are refused', async () => {
    const path = join(temporaryFolder(), 'heap')
    const bytes = fc.uint8Array({ maxLength: 3 * BLOCK_BYTES, size: 'max' })
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (random, keepsHeader) => {
        const start = keepsHeader ? whole.subarray(0, HEADER_BYTES) : Buffer.alloc(0)
        writeFileSync(path, Buffer.concat([start, random]))
        expect(await openAndRead(path)).toBe('CORRUPT')
        expect(await verifies(path)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  test('a file of another format version says so, and one of another block size is refused', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      for (const [offset, value, code] of [
        [HEADER.formatVersion, FORMAT_VERSION + 1, 'VERSION'],
        [HEADER.blockWords, BLOCK_WORDS * 2, 'CORRUPT'],
      ] as const) {
        const bytes = Buffer.from(whole)
        bytes.writeUInt32LE(value, offset)
        bytes.writeUInt32LE(memory.crc32c(bytes.subarray(0, HEADER.checksum)), HEADER.checksum)
        writeFileSync(path, bytes)
        expect([await openAndRead(path), await codeOf(() => verifyFile(memory, nodeFiles, path))]).toEqual([code, code])
      }
    }))

  test('a map or a root that leads out of the file is refused although its checksum is right', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      const forged = (places: Uint32Array, change: Partial<PoolFile['root']>): Buffer => {
        const bytes = Buffer.from(whole)
        const map = encodeMap(places, file.checksums, places.length, undefined)
        bytes.set(map, file.root.mapBlock * BLOCK_BYTES)
        const root = { ...file.root, mapChecksum: memory.crc32c(map), ...change }
        for (const offset of ROOT_SLOT_OFFSETS) bytes.set(encodeRoot(memory, root), offset)
        return bytes
      }
      const placed = (change: (places: Uint32Array) => void): Buffer => {
        const places = file.places.slice()
        change(places)
        return forged(places, {})
      }
      const blocks = whole.length / BLOCK_BYTES
      const damaged = [
        placed((places) => places.fill(0xffffffff, 0, 1)),
        placed((places) => places.fill(blocks, 0, 1)),
        placed((places) => places.fill(0, 0, 1)),
        forged(file.places, { mapBlock: blocks }),
        forged(file.places, { mapBlock: 0xffffffff }),
        forged(file.places, { mapEntries: 0xffffffff }),
        forged(file.places, { fileBlocks: blocks + 1 }),
        forged(file.places, { liveBlocks: 1 }),
        forged(file.places, { sequence: Number.NaN }),
        forged(file.places, { version: -1 }),
      ]
      for (const [i, bytes] of damaged.entries()) {
        writeFileSync(path, bytes)
        expect([i, await openAndRead(path), await verifies(path)]).toEqual([i, 'CORRUPT', false])
      }
      const twice = placed((places) => places.copyWithin(RESERVED_BLOCKS, 0, 1))
      writeFileSync(path, twice)
      expect(await verifies(path)).toBe(false)
    }))

  test('a file that holds no heap of this layout is refused and let go of', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'heap')
      for (const [address, low, high] of [
        [ROOT.layoutVersion, 0, 0],
        [ROOT.top, 0, 0],
        [ROOT.top, -1, 0],
        [ROOT.top, 0x7fffffff, 0],
      ]) {
        const bytes = Buffer.from(whole)
        bytes.writeInt32LE(low, file.places[0] * BLOCK_BYTES + address * 8)
        bytes.writeInt32LE(high, file.places[0] * BLOCK_BYTES + address * 8 + 4)
        writeFileSync(path, bytes)
        const open = () => Heap.open(memory, path, { create: true, readOnly: false })
        expect([await codeOf(open), await codeOf(open)]).toEqual(['CORRUPT', 'CORRUPT'])
        const before = nextDescriptor(path)
        expect(await codeOf(() => Heap.open(memory, path, READ))).toBe('CORRUPT')
        expect(nextDescriptor(path)).toBe(before)
      }
    }))
})

/** The file descriptor that the system gives next: the lowest that is free. */
function nextDescriptor(path: string): number {
  const fd = openSync(path, 'r')
  closeSync(fd)
  return fd
}
