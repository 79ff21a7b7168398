import 'reflect-metadata'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { apply, query, rows } from '../../src/functions'
import { Column, type Database, Entity, Id, open, Ref } from '../../src/index'

@Entity()
class Person {
  @Id() declare id: number
  @Column() declare name: string
  @Column() declare age: number
}

@Entity()
class Letter {
  @Id({ type: 'string' }) declare code: string
  @Ref(() => Person) declare from: Person
  @Column() declare weight: number
}

let db: Database
afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

async function opened(): Promise<Database> {
  db = await open(undefined, { entities: [Person, Letter] })
  return db
}

test('a watcher of a class hears of each commit once, as a whole and in order, with old and new values', async () => {
  await opened()
  const heard: unknown[] = []
  const stop = db.watch(Person, ({ version, inserted, updated, deleted }) => {
    heard.push({
      version,
      inserted: inserted.map((each) => each.name),
      updated: updated.map((each) => [each.old.age, each.new.age, each.changed]),
      deleted: deleted.map((each) => each.name),
    })
  })
  db.write((tx) => {
    tx.insert(Person, { id: 1, name: 'Ada', age: 36 })
    tx.insert(Person, { id: 2, name: 'Bob', age: 20 })
  })
  const first = db.version
  db.write((tx) => {
    tx.get(Person, 1)!.age = 37
    tx.delete(tx.get(Person, 2)!)
    tx.insert(Person, { id: 3, name: 'Cleo', age: 1 })
  })
  expect(() =>
    db.write((tx) => {
      tx.get(Person, 1)!.age = 99
      throw new Error('no')
    }),
  ).toThrow('no')
  db.write((tx) => tx.createTable('other', { key: 'id', columns: { id: 'integer' } }))
  stop()
  db.write((tx) => tx.insert(Person, { id: 4, name: 'Dora', age: 5 }))
  expect(heard).toEqual([
    { version: first, inserted: ['Ada', 'Bob'], updated: [], deleted: [] },
    { version: first + 1, inserted: ['Cleo'], updated: [[36, 37, ['age']]], deleted: ['Bob'] },
  ])
  expect(db.stats().snapshots).toEqual([])
})

test('a commit made by a listener is told after the one that it hears of', async () => {
  await opened()
  const versions: number[] = []
  const stops = [
    db.watch(Person, ({ inserted }) => {
      if (inserted[0].id < 3) db.write((tx) => tx.insert(Person, { id: inserted[0].id + 1, name: 'next', age: 0 }))
    }),
    db.watch(Person, ({ version }) => versions.push(version)),
  ]
  db.write((tx) => tx.insert(Person, { id: 1, name: 'first', age: 0 }))
  expect(versions).toEqual([db.version - 2, db.version - 1, db.version])
  for (const stop of stops) stop()
})

test('only updates of the properties asked for are told', async () => {
  await opened()
  db.write((tx) => tx.insert(Person, { id: 1, name: 'Ada', age: 36 }))
  const heard: (readonly string[])[] = []
  const stop = db.watch(Person, ({ updated }) => heard.push(...updated.map((each) => each.changed)), {
    properties: ['name'],
  })
  db.write((tx) => void (tx.get(Person, 1)!.age = 37))
  db.write((tx) => tx.update(tx.get(Person, 1)!, { age: 38, name: 'Eda' }))
  expect(heard).toEqual([['name']])
  stop()
  expect(() => db.watch(Person, () => {}, { properties: ['nome'] as never })).toThrow(
    'Class Person has no "nome". Did you mean "name"?',
  )
})

test('one object can be watched by its key, while it is there or not', async () => {
  await opened()
  const heard: unknown[] = []
  const stop = db.watchOne(Letter, 'b', (change) =>
    heard.push([change.old?.weight, change.new?.weight, change.changed]),
  )
  db.write((tx) => {
    const from = tx.insert(Person, { id: 1, name: 'Ada', age: 36 })
    tx.insert(Letter, { code: 'a', from, weight: 1 })
    tx.insert(Letter, { code: 'b', from, weight: 2 })
  })
  db.write((tx) => void (tx.get(Letter, 'a')!.weight = 10))
  db.write((tx) => void (tx.get(Letter, 'b')!.weight = 20))
  db.write((tx) => tx.delete(tx.get(Letter, 'b')!))
  stop()
  expect(heard).toEqual([
    [undefined, 2, []],
    [2, 20, ['weight']],
    [20, undefined, []],
  ])
})

test('the results of a query are told as added, changed, moved and removed', async () => {
  await opened()
  db.write((tx) => {
    for (const [id, age] of [10, 20, 30, 40].entries()) tx.insert(Person, { id, name: `p${id}`, age })
  })
  const heard: unknown[] = []
  const names = (people: readonly Person[]): string[] => people.map((each) => each.name)
  const stop = db.watch(db.query(Person).orderBy('age', 'desc').limit(3), ({ added, changed, moved, removed }) => {
    heard.push([names(added), names(changed), names(moved), names(removed)])
  })
  db.write((tx) => void (tx.get(Person, 1)!.age = 35))
  db.write((tx) => void (tx.get(Person, 0)!.age = 1))
  db.write((tx) => void (tx.get(Person, 0)!.age = 100))
  db.write((tx) => tx.delete(tx.get(Person, 3)!))
  stop()
  expect(heard).toEqual([
    [[], ['p1'], ['p1'], []],
    [['p0'], [], [], ['p2']],
    [['p2'], [], [], ['p3']],
  ])
})

test('a result whose row number another takes over in one commit is removed, and the other added', async () => {
  await opened()
  db.write((tx) => {
    tx.createTable('thing', { key: 'code', columns: { code: 'string', size: 'integer' } })
    for (let i = 0; i < 500; i++) tx.insert('thing', { code: `old ${i}`, size: i })
    for (let i = 100; i < 200; i++) tx.delete('thing', `old ${i}`)
  })
  const large = db.query('thing').where({ size: { gte: 497 } })
  const heard: unknown[][] = [[], [], []]
  const codes = (all: readonly unknown[]): unknown[] => all.map((each) => (each as { code: string }).code ?? each)
  for (const [i, asked] of [large, large.select('code'), large.values('code')].entries()) {
    db.watch(asked as typeof large, ({ added, removed, changed, moved }) => {
      const news = codes(added)
      heard[i].push([news.length, codes(removed), codes(changed), codes(moved), news.includes('new 0')])
    })
  }
  const numbers = large.query().withoutLast()
  const [row] = numbers.collect()
  db.write((tx) => {
    tx.delete('thing', 'old 497')
    for (let i = 0; i < 110; i++) tx.insert('thing', { code: `new ${i}`, size: 1000 + i })
  })
  expect(numbers.collect()).toContain(row) // taken over
  for (const each of heard) expect(each).toEqual([[110, ['old 497'], [], [], true]])
})

test('a result that is made anew under its key in one commit is changed, whatever its row number is then', async () => {
  await opened()
  db.write((tx) => {
    tx.createTable('thing', { key: 'code', columns: { code: 'string', size: 'integer' } })
    for (let i = 0; i < 500; i++) tx.insert('thing', { code: `old ${i}`, size: i })
  })
  const heard: unknown[] = []
  db.watch(db.query('thing').where({ size: { gte: 497 } }), ({ added, removed, changed }) => {
    heard.push([added, removed, changed].map((all) => all.map((each) => each.size)))
  })
  db.write((tx) => {
    for (const code of ['old 497', 'old 3']) tx.delete('thing', code)
    tx.insert('thing', { code: 'old 3', size: 3 })
    tx.insert('thing', { code: 'old 497', size: 600 })
  })
  expect(heard).toEqual([[[], [], [600]]])
})

test('a listener that begins while others are told of a commit does not hear of those before', async () => {
  await opened()
  const heard: string[] = []
  db.watch(Person, ({ inserted: [person] }) => {
    heard.push(person.name)
    if (person.name !== 'first') return
    db.write((tx) => tx.insert(Person, { id: 2, name: 'second', age: 0 }))
    db.watch(Person, ({ inserted: [{ name }] }) => heard.push(`late: ${name}`))
  })
  db.write((tx) => tx.insert(Person, { id: 1, name: 'first', age: 0 }))
  db.write((tx) => tx.insert(Person, { id: 3, name: 'third', age: 0 }))
  expect(heard).toEqual(['first', 'second', 'third', 'late: third'])
})

test('a function that listens to one object twice is called twice, and goes on when one of them stops', async () => {
  await opened()
  let calls = 0
  const listener = (): void => {
    calls++
  }
  const stops = [1, 2].map(() => db.watchOne(Person, 1, listener))
  db.write((tx) => tx.insert(Person, { id: 1, name: 'Ada', age: 0 }))
  expect(calls).toBe(2)
  stops[0]()
  stops[0]()
  db.write((tx) => tx.update('person', 1, { age: 1 }))
  expect(calls).toBe(3)
  stops[1]()
  db.write((tx) => tx.update('person', 1, { age: 2 }))
  expect(calls).toBe(3)
  expect(db.stats().snapshots).toEqual([])
})

test('events that are asked for at once come one after the other', async () => {
  await opened()
  const changes = db.changes(Person)
  const asked = [1, 2, 3].map(() => changes.next())
  for (const id of [1, 2]) db.write((tx) => tx.insert(Person, { id, name: 'a', age: 0 }))
  const events = await Promise.all(asked.slice(0, 2))
  expect(events.map(({ value }) => value.inserted.map((each: Person) => each.id))).toEqual([[1], [2]])
  await changes.return?.()
  expect(await asked[2]).toEqual({ done: true, value: undefined })
})

test('an iteration that fails is over, and keeps nothing', async () => {
  await opened()
  let fails = false
  const asked = query(
    db,
    rows('person'),
    apply((row: number) => {
      if (fails) throw new Error('no')
      return row
    }),
  )
  const changes = db.changes(asked)
  fails = true
  db.write((tx) => tx.insert(Person, { id: 1, name: 'a', age: 0 }))
  await expect(changes.next()).rejects.toThrow('no')
  expect(await changes.next()).toEqual({ done: true, value: undefined })
  expect(db.stats().snapshots).toEqual([])
})

test('an iteration takes events one by one, and those that do not fit its buffer as one', async () => {
  await opened()
  const changes = db.changes(Person, { buffer: 2 })
  for (let id = 0; id < 5; id++) db.write((tx) => tx.insert(Person, { id, name: `p${id}`, age: id }))
  const counts: number[] = []
  for await (const { inserted } of changes) {
    counts.push(inserted.length)
    if (counts.length === 2) break
  }
  expect(counts).toEqual([1, 4])
  const strict = db.changes(Person, { buffer: 1, whenFull: 'fail' })
  for (let id = 5; id < 7; id++) db.write((tx) => tx.insert(Person, { id, name: `p${id}`, age: id }))
  expect((await strict.next()).value.inserted.length).toBe(1)
  await expect(strict.next()).rejects.toMatchObject({ code: 'BUSY' })
  expect(db.stats().snapshots).toEqual([])
})

test('an iteration over the results of a query tells each commit as it was, however late it is asked', async () => {
  await opened()
  const changes = db.changes(db.query(Person).orderBy('age').values('name'))
  for (const [id, name] of ['Ada', 'Bob', 'Cleo'].entries()) db.write((tx) => tx.insert(Person, { id, name, age: id }))
  const told: unknown[] = []
  for (let i = 0; i < 3; i++) {
    const { value } = await changes.next()
    told.push([value.version, value.added])
  }
  const { version } = db
  expect(told).toEqual([
    [version - 2, ['Ada']],
    [version - 1, ['Bob']],
    [version, ['Cleo']],
  ])
  await changes.return!()
})

test('an iteration ends when the database closes', async () => {
  await opened()
  const other = await open(undefined, { entities: [Person] })
  const next = other.changes(Person).next()
  await other.close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('100,000 watchers of single objects come and go without a trace', async () => {
  await opened()
  let heard = 0
  const stops = Array.from({ length: 100_000 }, (_, id) => db.watchOne(Person, id, () => heard++))
  db.write((tx) => tx.insert(Person, { id: 77_777, name: 'Ada', age: 36 }))
  expect(heard).toBe(1)
  for (const stop of stops) stop()
  db.write((tx) => void (tx.get(Person, 77_777)!.age = 37))
  expect(heard).toBe(1)
  expect(db.stats().snapshots).toEqual([])
})

test('what random commits change is what a comparison of all rows says', async () => {
  await opened()
  const operation = fc.record({
    kind: fc.constantFrom('create', 'set', 'delete', 'rekey'),
    id: fc.nat(40),
    to: fc.nat(40),
    age: fc.nat(3),
  })
  const state = (): Map<string, number> => new Map([...db.all(Letter)].map((each) => [each.code, each.weight]))
  db.write((tx) => tx.insert(Person, { id: 1, name: 'Ada', age: 36 }))
  fc.assert(
    fc.property(fc.array(fc.array(operation, { maxLength: 12 }), { maxLength: 12 }), (commits) => {
      for (const commit of commits) {
        const before = state()
        let told = { inserted: [] as string[], updated: [] as unknown[], deleted: [] as unknown[] }
        const stop = db.watch(Letter, ({ inserted, updated, deleted }) => {
          told = {
            inserted: inserted.map((each) => each.code),
            updated: updated.map((each) => [each.new.code, each.old.weight, each.new.weight]),
            deleted: deleted.map((each) => [each.code, each.weight]),
          }
        })
        db.write((tx) => {
          for (const { kind, id, to, age } of commit) {
            const letter = tx.get(Letter, `k${id}`)
            if (kind === 'create' && letter === undefined)
              tx.insert(Letter, { code: `k${id}`, from: tx.get(Person, 1)!, weight: age })
            else if (kind === 'set' && letter !== undefined) letter.weight = age
            else if (kind === 'delete' && letter !== undefined) tx.delete(letter)
            else if (kind === 'rekey' && letter !== undefined && tx.get(Letter, `k${to}`) === undefined)
              letter.code = `k${to}`
          }
        })
        stop()
        const after = state()
        expect(told.inserted.sort()).toEqual([...after.keys()].filter((code) => !before.has(code)).sort())
        expect(told.deleted.sort()).toEqual([...before].filter(([code]) => !after.has(code)).sort())
        const changed = [...after].filter(([code, weight]) => before.has(code) && before.get(code) !== weight)
        expect(told.updated.sort()).toEqual(changed.map(([code, weight]) => [code, before.get(code), weight]).sort())
      }
    }),
    { numRuns: 40 },
  )
})

test('a text that takes the freed place of another is told as a change', async () => {
  await opened()
  db.write((tx) => tx.insert(Person, { id: 1, name: 'text 0 of some length', age: 1 }))
  const name = db.table('person').column('name')
  const word = (): string => {
    const { view } = db.table('person').context
    return `${view.low(name.addressOf(1))} ${view.high(name.addressOf(1))}`
  }
  const before = word()
  const changes = db.changes(Person, { buffer: 1 })
  // fills the buffer: what follows is told as one with it
  db.write((tx) => tx.insert(Person, { id: 2, name: 'other', age: 2 }))
  let last = ''
  for (let i = 1; last === '' || word() !== before; i++) {
    expect(i).toBeLessThan(1000) // the place is taken again sooner or later
    db.write((tx) => void (tx.get(Person, 1)!.name = 'x'))
    last = `text ${i} of some length`.slice(0, 21)
    db.write((tx) => void (tx.get(Person, 1)!.name = last))
  }
  const { value } = await changes.next()
  const [{ old, new: now, changed }] = value.updated
  expect([old.name, now.name, changed]).toEqual(['text 0 of some length', last, ['name']])
  await changes.return!()
})

test('a follower hears of what its writer commits', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-watch-'))
  const path = join(folder, 'people.heap')
  db = await open(path, { entities: [Person, Letter], durability: 'none' })
  await db.setDurability('interval')
  const follower = await open(path, { entities: [Person, Letter], follow: true })
  const names: string[] = []
  follower.watch(Person, ({ inserted }) => names.push(...inserted.map((each) => each.name)))
  for (let id = 0; id < 5; id++) db.write((tx) => tx.insert(Person, { id, name: `p${id}`, age: id }))
  await db.sync()
  await follower.following!.waitFor(db.version)
  expect(names).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
  await follower.close()
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
})

test('optimistic transactions lose no update, however many run at once', async () => {
  await opened()
  db.write((tx) => tx.insert(Person, { id: 1, name: 'Ada', age: 0 }))
  const add = (): Promise<void> =>
    db.transaction(
      async (tx) => {
        const ada = tx.get(Person, 1)!
        const { age } = ada
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
        tx.update(ada, { age: age + 1 })
      },
      { attempts: 1000 },
    )
  await Promise.all(Array.from({ length: 12 }, add))
  expect(db.get(Person, 1)!.age).toBe(12)
})

test('an optimistic transaction runs again when what it read has changed, and gives up in the end', async () => {
  await opened()
  db.write((tx) => tx.insert(Person, { id: 1, name: 'Ada', age: 0 }))
  let runs = 0
  const disturbed = db.transaction(
    (tx) => {
      runs++
      tx.count(Person)
      db.write((live) => live.insert(Person, { id: 100 + runs, name: 'other', age: 0 }))
      tx.insert(Person, { id: 2, name: 'never', age: 0 })
    },
    { attempts: 3 },
  )
  await expect(disturbed).rejects.toMatchObject({ code: 'CONFLICT' })
  expect([runs, db.get(Person, 2)]).toEqual([3, undefined])
  await db.transaction((tx) => {
    tx.get(Person, 1)
    db.write((live) => live.insert(Person, { id: 200, name: 'other', age: 0 }))
    tx.insert(Person, { id: 2, name: 'not disturbed', age: 0 })
  })
  expect(db.get(Person, 2)!.name).toBe('not disturbed')
})
