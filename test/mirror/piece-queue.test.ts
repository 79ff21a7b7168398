import { expect, test } from 'vitest'
import { MOST_PREPARED, PieceQueue } from '../../src/mirror/piece-queue'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A queue whose pieces are prepared and handled when the test says so. */
function queue() {
  const events: string[] = []
  const pending = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  const wait = (what: string) => {
    events.push(what)
    return new Promise<void>((resolve, reject) => pending.set(what, { resolve, reject }))
  }
  const pieces = new PieceQueue({
    prepare: (bytes) => wait(`prepare ${bytes}`),
    handOn: (bytes) => wait(`handle ${bytes}`),
    onDone: (bytes) => events.push(`done ${bytes}`),
    onError: (error) => events.push(`error ${error.message}`),
  })
  const settle = async (what: string, error?: Error) => {
    const { resolve, reject } = pending.get(what)!
    if (error === undefined) resolve()
    else reject(error)
    await turn()
    await turn()
    return events.splice(0)
  }
  return { pieces, events, settle, add: (...names: string[]) => names.map((name) => pieces.add(Buffer.from(name))) }
}

test('pieces are handled in their order, whichever is prepared first, and the next one is prepared meanwhile', async () => {
  const { pieces, events, settle, add } = queue()
  add('a', 'b', 'c')
  expect(events.splice(0)).toEqual(['prepare a', 'prepare b'])
  expect(pieces.isFull).toBe(true)
  expect(await settle('prepare b')).toEqual([])
  expect(await settle('prepare a')).toEqual(['handle a'])
  expect(await settle('handle a')).toEqual(['done a', 'prepare c', 'handle b'])
  expect(await settle('prepare c')).toEqual([])
  expect(await settle('handle b')).toEqual(['done b', 'handle c'])
  expect(pieces.isFull).toBe(false)
  add('d')
  expect(events.splice(0)).toEqual(['prepare d'])
  expect(await settle('handle c')).toEqual(['done c'])
  expect(await settle('prepare d')).toEqual(['handle d'])
  expect(await settle('handle d')).toEqual(['done d'])
  expect(MOST_PREPARED).toBe(2)
})

test('what is dropped is not handled, and what fails is heard once', async () => {
  const { pieces, settle, events, add } = queue()
  add('a', 'b')
  expect(await settle('prepare a')).toEqual(['prepare a', 'prepare b', 'handle a'])
  expect(pieces.drop().map(String)).toEqual(['b'])
  expect(await settle('prepare b', new Error('of no interest'))).toEqual([])
  expect(await settle('handle a')).toEqual(['done a'])
  add('c', 'd')
  expect(await settle('prepare c', new Error('unprepared'))).toEqual(['prepare c', 'prepare d', 'error unprepared'])
  await settle('prepare d')
  expect(events).toEqual([])
})

test('pieces that need no preparation are handled in turns of the event loop of their own', async () => {
  const handled: string[] = []
  const pieces = new PieceQueue({
    handOn: (bytes) => void handled.push(String(bytes)),
    onDone: () => undefined,
    onError: (error) => expect.unreachable(error.message),
  })
  for (const name of ['a', 'b', 'c']) pieces.add(Buffer.from(name))
  let turns = 0
  for (; handled.length < 3; turns++) await turn()
  expect([handled, turns >= 2]).toEqual([['a', 'b', 'c'], true])
})
