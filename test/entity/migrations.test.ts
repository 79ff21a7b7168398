import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Column, type Database, Entity, Id, type Migration, migrate, migrationStatus, open } from '../../src/index'

const people: Migration = {
  version: 1,
  name: 'people',
  up(tx) {
    tx.createTable('person', { key: 'id', columns: { id: 'integer', full_name: 'string' } })
    tx.insert('person', { id: 1, full_name: 'Ada Lovelace' })
  },
}
const names: Migration = {
  version: 2,
  name: 'names of their own',
  up(tx) {
    tx.addColumn('person', 'first_name', 'string', '')
    for (const row of tx.table('person').rows()) {
      const { id, full_name } = tx.table('person').read(row) as { id: number; full_name: string }
      tx.update('person', id, { first_name: full_name.split(' ')[0] })
    }
    tx.dropColumn('person', 'full_name')
  },
}

@Entity()
class Person {
  @Id() id!: number
  @Column() firstName!: string
}

let db: Database
beforeEach(async () => {
  db = await open()
})
afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const states = (migrations: Migration[]): string[] =>
  migrationStatus(db, migrations).map(({ version, state }) => `${version} ${state}`)

describe('migrations', () => {
  test('are applied once, in order, with what became of each', () => {
    expect(states([people, names])).toEqual(['1 pending', '2 pending'])
    expect(migrate(db, [people]).map(({ version }) => version)).toEqual([1])
    expect(migrate(db, [people, names]).map(({ version }) => version)).toEqual([2])
    expect([migrate(db, [people, names]), states([people, names])]).toEqual([[], ['1 applied', '2 applied']])
    expect(db.table('person').get(1)).toEqual({ id: 1, first_name: 'Ada' })
    expect(migrationStatus(db, [people])[0].appliedAt).toBeInstanceOf(Date)
  })

  test('that fail leave nothing behind, and those before them stay', () => {
    const broken: Migration = {
      version: 2,
      name: 'broken',
      up(tx) {
        tx.truncate('person')
        throw new Error('half way')
      },
    }
    expect(() => migrate(db, [people, broken])).toThrow('half way')
    expect([db.table('person').rowCount, ...states([people, broken])]).toEqual([1, '1 applied', '2 pending'])
    const slow = { version: 2, name: 'slow', up: (async () => {}) as () => void }
    expect(() => migrate(db, [people, slow])).toThrow(/async/)
    expect(states([people, slow])).toEqual(['1 applied', '2 pending'])
  })

  test('refuse a history that was edited, before anything is done', () => {
    migrate(db, [people])
    const { version } = db
    const edited: Migration = {
      ...people,
      up: (tx) => tx.createTable('person', { key: 'id', columns: { id: 'string' } }),
    }
    expect(() => migrate(db, [edited, names])).toThrow(
      /^Migration 1 \(people\) was applied, and has been edited since\. Restore it/,
    )
    expect(() => migrate(db, [{ ...people, name: 'persons' }])).toThrow(/edited since/)
    expect(() => migrate(db, [names])).toThrow(/^Migration 1 \(people\) was applied, but is not among those given/)
    expect([...states([edited, names]), ...states([names])]).toEqual([
      '1 edited',
      '2 pending',
      '1 missing',
      '2 pending',
    ])
    migrate(db, [people, { ...names, version: 5 }])
    expect(() => migrate(db, [people, names, { ...names, version: 5 }])).toThrow(
      /Migration 2 .* comes before version 5/,
    )
    expect(db.version).toBe(version + 1)
  })

  test('are told apart by a hash of their own where one is given', () => {
    const built = { ...people, hash: 'v1' }
    migrate(db, [built])
    expect(migrate(db, [{ ...built, up: () => {} }])).toEqual([])
    expect(() => migrate(db, [{ ...built, hash: 'v2' }])).toThrow(/edited since/)
  })

  test('in no order are refused', () => {
    expect(() => migrate(db, [names, people])).toThrow(/version 1, after version 2/)
    expect(() => migrate(db, [{ ...people, version: 0 }])).toThrow(/version 0, after version 0/)
  })

  test('are applied by open before classes are looked at', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'snapheap-migrations-'))
    try {
      const path = join(folder, 'x.heap')
      await (await open(path, { migrations: [people] })).close()
      const reader = open(path, { migrations: [people, names], readOnly: true })
      await expect(reader).rejects.toThrow(/Migration 2 .* is pending, but the database is open for reading/)
      await using other = await open(path, { entities: [Person], migrations: [people, names] })
      expect(other.get(Person, 1)?.firstName).toBe('Ada')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
