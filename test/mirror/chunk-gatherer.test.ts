import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkGatherer } from '../../src/mirror/chunk-gatherer'

const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

test('what was received is handed out whole and in order, together where there is much of it', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(sizes, fc.nat(5), (each, cut) => {
      const pieces: Buffer[] = []
      const gatherer = new ChunkGatherer((bytes) => pieces.push(Buffer.from(bytes)))
      const chunks = each.map((size, i) => Buffer.alloc(size, i + 1))
      for (const chunk of chunks) gatherer.add(chunk)
      gatherer.add(READY_FOR_QUERY.subarray(0, cut))
      gatherer.add(READY_FOR_QUERY.subarray(cut))
      gatherer.flush()
      const all = Buffer.concat([...chunks, READY_FOR_QUERY])
      expect(Buffer.concat(pieces).equals(all)).toBe(true)
      expect(pieces.length).toBeLessThanOrEqual(Math.ceil(all.length / 2 ** 18) + 1)
    }),
    { numRuns: 20 },
  )
})

test('the end of a command is handed out at once, with what came before it', () => {
  const pieces: string[] = []
  const gatherer = new ChunkGatherer((bytes) => pieces.push(bytes.toString('latin1')))
  const end = READY_FOR_QUERY.toString('latin1')
  gatherer.add(Buffer.from('rows'))
  expect(pieces).toEqual([])
  gatherer.add(Buffer.concat([Buffer.from(' and rows'), READY_FOR_QUERY]))
  gatherer.add(READY_FOR_QUERY)
  expect(pieces).toEqual([`rows and rows${end}`, end])
})

test('a little is handed out when nothing more comes, unless it was dropped', async () => {
  const pieces: string[] = []
  const kept = new ChunkGatherer((bytes) => pieces.push(bytes.toString()))
  const dropped = new ChunkGatherer((bytes) => pieces.push(bytes.toString()))
  dropped.add(Buffer.from('dropped'))
  dropped.drop()
  kept.add(Buffer.from('kept'))
  while (pieces.length === 0) await new Promise(setImmediate)
  expect(pieces).toEqual(['kept'])
  kept.flush()
  dropped.flush()
  expect(pieces).toEqual(['kept'])
})
