import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkGatherer, PIECE_BYTES, PIECE_MESSAGES } from '../../src/mirror/chunk-gatherer'

const READY = message('Z', 'I')
const LINE = message('d', '1\ttext\n')

function message(type: string, payload: string | Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from(`${type}0000`), Buffer.from(payload)])
  bytes.writeUInt32BE(bytes.length - 1, 1)
  return bytes
}

function gather(): { gatherer: ChunkGatherer; pieces: Buffer[]; errors: Buffer[]; give: (piece: Buffer) => void } {
  const pieces: Buffer[] = []
  const errors: Buffer[] = []
  const gatherer = new ChunkGatherer({
    onPiece(bytes) {
      pieces.push(Buffer.from(bytes))
      gatherer.giveBack(bytes) // its memory is written again at once
    },
    onError: (bytes) => errors.push(bytes),
  })
  return { gatherer, pieces, errors, give: (piece) => gatherer.giveBack(piece) }
}

/** Lines of every size, some of them in two messages. */
const sizes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 1_500_000 }) },
)

test('what was received is handed out whole and in order, in pieces of whole messages that begin with a line', () => {
  const lines = fc.array(fc.tuple(sizes, fc.boolean()), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(lines, fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 9 }), (each, cuts) => {
      const { gatherer, pieces, errors } = gather()
      const messages: Buffer[] = []
      const lineStarts = new Set([0])
      let at = 0
      for (const [i, [size, isCut]] of each.entries()) {
        const line = Buffer.alloc(size + 1, 97 + (i % 20))
        line[size] = 10
        const parts = isCut && size > 0 ? [line.subarray(0, size >> 1), line.subarray(size >> 1)] : [line]
        for (const part of parts.filter((bytes) => bytes.length > 0)) {
          messages.push(message('d', part))
          at += messages.at(-1)!.length
        }
        lineStarts.add(at)
      }
      const all = Buffer.concat([...messages, READY])
      for (let from = 0, i = 0; from < all.length; i++) {
        const to = Math.min(all.length, from + cuts[i % cuts.length]!)
        gatherer.add(Buffer.from(all.subarray(from, to)))
        from = to
      }
      expect(Buffer.concat(pieces).equals(all)).toBe(true)
      expect(pieces.length).toBeLessThanOrEqual(Math.ceil(all.length / PIECE_BYTES) + 1)
      let start = 0
      for (const piece of pieces) {
        expect(lineStarts.has(start)).toBe(true)
        start += piece.length
      }
      expect(errors).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('so many messages make a piece, however small they are', () => {
  const { gatherer, pieces } = gather()
  for (let i = 0; i < PIECE_MESSAGES; i += 2) gatherer.add(Buffer.concat([LINE, LINE]))
  expect(pieces.map((piece) => piece.length)).toEqual([PIECE_MESSAGES * LINE.length])
})

test('the end of a command is handed out at once, with what came before it', () => {
  const { gatherer, pieces } = gather()
  gatherer.add(LINE)
  expect(pieces).toEqual([])
  gatherer.add(Buffer.concat([LINE, READY]))
  gatherer.add(READY)
  expect(pieces).toEqual([Buffer.concat([LINE, LINE, READY]), READY])
})

test('an error of the server is heard at once, and what came before it forgotten', () => {
  const { gatherer, pieces, errors } = gather()
  const error = message('E', 'SERROR\0\0')
  gatherer.add(Buffer.concat([LINE, error.subarray(0, 7)]))
  expect(errors).toEqual([])
  gatherer.add(Buffer.concat([error.subarray(7), READY]))
  expect(errors).toEqual([Buffer.concat([error, READY])])
  gatherer.flush()
  expect([pieces, gatherer.drop()]).toEqual([[], Buffer.alloc(0)])
})

test('a little is handed out when nothing more comes, unless it was dropped', async () => {
  const kept = gather()
  const dropped = gather()
  dropped.gatherer.add(Buffer.concat([LINE, Buffer.from('d')]))
  expect(dropped.gatherer.drop()).toEqual(Buffer.concat([LINE, Buffer.from('d')]))
  kept.gatherer.add(LINE)
  while (kept.pieces.length === 0) await new Promise(setImmediate)
  kept.gatherer.flush()
  dropped.gatherer.flush()
  expect([kept.pieces, dropped.pieces]).toEqual([[LINE], []])
})

test('a length that no message has is refused', () => {
  const { gatherer } = gather()
  expect(() => gatherer.add(Buffer.from('d\0\0\0\x03'))).toThrowError(expect.objectContaining({ code: 'POSTGRES' }))
})
