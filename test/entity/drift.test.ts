import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Column, Decimal, Entity, type EntityClass, Id, open, planSchema } from '../../src/index'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'snapheap-drift-'))
  path = join(folder, 'x.heap')
})
afterEach(() => rmSync(folder, { recursive: true }))

const code = (expected: string) => expect.objectContaining({ name: 'SnapheapError', code: expected })

@Entity({ name: 'item' })
class Old {
  @Id() id!: number
  @Column({ type: 'integer' }) price!: number
  @Column({ type: 'string', nullable: true }) note!: string | null
  @Column() code!: string
  @Column({ index: false }) label!: string
  @Column() gone!: number
}

@Entity({ name: 'item' })
class New {
  @Id() id!: number
  @Column({ type: 'string' }) price!: string
  @Column({ default: 'none' }) note!: string
  @Column({ unique: true }) code!: string
  @Column() label!: string
  @Column({ default: true }) isNew!: boolean
}

@Entity()
class Extra {
  @Id() id!: number
}

async function store(rows: number, extra: object = {}): Promise<void> {
  await using db = await open(path, { entities: [Old] })
  db.write((tx) => {
    for (let id = 0; id < rows; id++)
      tx.insert(Old, {
        id,
        price: id * 10,
        code: `c${id}`,
        label: 'l',
        gone: 1,
        ...(id === 1 ? { note: 'n' } : {}),
        ...extra,
      })
  })
}

const PLAN = `change the type of item.price from integer to string
have item.note refuse null
have item.code refuse equal values
build the index of item.label
add column item.is_new of type boolean
drop column item.gone, which no property has
create table extra for Extra`

describe('a plan', () => {
  test('says how a file differs from classes, as data and as text, and changes nothing', async () => {
    await store(2)
    const plan = await planSchema(path, { entities: [New, Extra] })
    expect(String(plan)).toBe(PLAN)
    expect(plan.steps.map(({ kind }) => kind)).toEqual([
      ...['changeType', 'changeNullable', 'changeUnique', 'addIndex', 'addColumn', 'dropColumn', 'createTable'],
    ])
    expect(plan.steps[0]).toEqual({ kind: 'changeType', table: 'item', column: 'price', from: 'integer', to: 'string' })
    expect(String(await planSchema(path, { entities: [New, Extra] }))).toBe(PLAN)
  })

  test('is empty where they agree, and leaves tables without classes alone', async () => {
    await store(1)
    await using db = await open(path, { entities: [Old] })
    db.write((tx) => tx.createTable('other', { key: 'id', columns: { id: 'integer' } }))
    expect([db.drift().isEmpty, String(db.drift())]).toEqual([true, 'The tables are as the classes say.'])
  })

  test('of a database that is open tells what opening let pass', async () => {
    await store(1)
    @Entity({ name: 'item' })
    class Less {
      @Id() id!: number
      @Column({ type: 'integer' }) price!: number
    }
    await using db = await open(path, { entities: [Less] })
    expect(db.drift().steps.map((step) => 'column' in step && step.column)).toEqual(['note', 'code', 'label', 'gone'])
  })

  test('names what cannot be done as it is', async () => {
    await store(1)
    @Entity({ name: 'item' })
    class Keyed {
      @Id() code!: string
      @Column() colour!: string
    }
    const plan = await planSchema(path, { entities: [Keyed] })
    expect(String(plan)).toMatch(/^change the key of item from \(id\) to \(code\) \(a key is not changed: .*\)$/m)
    expect(String(plan)).toMatch(/^add column item\.colour of type string \(rows need a value: .*\)$/m)
    await expect(open(path, { entities: [Keyed], schema: 'apply' })).rejects.toThrow(
      /cannot be changed as the classes say:\nchange the key/,
    )
    expect((await planSchema(path, { entities: [Old] })).isEmpty).toBe(true)
  })
})

test('indexes of a class that are missing are part of the plan', async () => {
  await store(2)
  @Entity({ name: 'item', indexes: [{ columns: ['price', 'code'], unique: true }] })
  class Indexed {
    @Id() id!: number
    @Column({ type: 'integer', index: 'ordered' }) price!: number
    @Column({ type: 'string', nullable: true }) note!: string | null
    @Column() code!: string
    @Column({ index: false }) label!: string
    @Column() gone!: number
  }
  const entities = [Indexed]
  const lines = String(await planSchema(path, { entities })).split('\n')
  expect(lines).toContain('build the ordered index of item over price')
  expect(lines).toContain('build the unique hash index of item over price, code')
  await expect(open(path, { entities, schema: 'check' })).rejects.toThrow(/build the ordered index of item over price/)
  await using db = await open(path, { entities, schema: 'apply' })
  expect([db.drift().isEmpty, db.check().problems]).toEqual([true, []])
})

describe('opening with schema', () => {
  test("'check' refuses any difference, and changes nothing", async () => {
    await store(1)
    await expect(open(path, { entities: [New, Extra], schema: 'check' })).rejects.toThrow(
      expect.objectContaining({ code: 'SCHEMA', message: expect.stringContaining(PLAN) }),
    )
    await expect(open(undefined, { entities: [Old], schema: 'check' })).rejects.toThrow(/create table item for Old/)
    await using db = await open(path, { entities: [Old], schema: 'check' })
    expect(db.tableNames).toEqual(['item'])
  })

  test("'apply' does what the plan says, values converted and defaults filled in", async () => {
    await store(3)
    await using db = await open(path, { entities: [New, Extra], schema: 'apply' })
    expect(db.drift().isEmpty).toBe(true)
    expect([...db.all(New)].map((each) => JSON.parse(JSON.stringify(each)))).toEqual([
      { id: 0, price: '0', note: 'none', code: 'c0', label: 'l', isNew: true },
      { id: 1, price: '10', note: 'n', code: 'c1', label: 'l', isNew: true },
      { id: 2, price: '20', note: 'none', code: 'c2', label: 'l', isNew: true },
    ])
    expect(db.find(New, { price: '20' }).map((each) => each.id)).toEqual([2])
    expect(() =>
      db.write((tx) => tx.insert(New, { id: 9, price: '', code: 'c0', label: '', note: '', isNew: true })),
    ).toThrow(code('UNIQUE'))
    expect(db.check().problems).toEqual([])
  })

  test('and back again, from text to numbers', async () => {
    await store(3)
    await (await open(path, { entities: [New], schema: 'apply' })).close()
    @Entity({ name: 'item' })
    class Back {
      @Id() id!: number
      @Column() price!: Decimal
      @Column({ type: 'string', nullable: true }) code!: string | null
    }
    await using db = await open(path, { entities: [Back], schema: 'apply' })
    expect([...db.all(Back)].map((each) => String(each.price))).toEqual(['0', '10', '20'])
    db.write((tx) => tx.insert(Back, { id: 9, price: Decimal.parse('1.5'), code: 'c0' }))
    expect([db.find(Back, { code: 'c0' }).length, db.check().problems]).toEqual([2, []])
  })

  test.each<[string, object, () => EntityClass, RegExp]>([
    [
      'a value that is no number',
      { label: 'x1' },
      () => {
        @Entity({ name: 'item' })
        class Numbered {
          @Id() id!: number
          @Column() label!: number
        }
        return Numbered
      },
      /Column item\.label cannot become number: the row with key 0 has "x1"\. Change that row/,
    ],
    [
      'a number that a double does not hold',
      { label: '9007199254740993' },
      () => {
        @Entity({ name: 'item' })
        class Numbered {
          @Id() id!: number
          @Column() label!: number
        }
        return Numbered
      },
      /cannot become number: the row with key 0 has "9007199254740993"/,
    ],
    [
      'values that are equal',
      { code: 'same' },
      () => {
        @Entity({ name: 'item' })
        class Unique {
          @Id() id!: number
          @Column({ unique: true }) code!: string
        }
        return Unique
      },
      /already has a row \(number \d\) with code = "same"/,
    ],
    [
      'rows without a value',
      {},
      () => {
        @Entity({ name: 'item' })
        class Required {
          @Id() id!: number
          @Column() note!: string
        }
        return Required
      },
      /Column item\.note cannot refuse null: 1 rows have no value\. Give them one first/,
    ],
  ])("'apply' is refused by %s, and leaves everything as it was", async (_, extra, type, message) => {
    await store(2, extra)
    await expect(open(path, { entities: [type()], schema: 'apply' })).rejects.toThrow(message)
    await using db = await open(path, { entities: [Old], schema: 'check' })
    expect([db.count(Old), db.get(Old, 1)?.note, db.check().problems]).toEqual([2, 'n', []])
  })
})

test('changeColumn converts by a function, keeps what it is not told to change, and leaves keys alone', async () => {
  await using db = await open()
  db.write((tx) => {
    tx.createTable('t', {
      key: 'id',
      columns: { id: 'integer', a: { type: 'string', unique: true }, b: { type: 'integer', nullable: true } },
    })
    for (let id = 0; id < 5; id++) tx.insert('t', { id, a: `v${id}`, b: id === 3 ? null : id })
    tx.changeColumn('t', 'a', { type: 'integer' }, (value) => Number((value as string).slice(1)))
    tx.changeColumn('t', 'b', { index: false })
  })
  const { columns } = db.table('t')
  expect(
    columns.map(({ name, type, isUnique, isIndexed, isNullable }) => [name, type, isUnique, isIndexed, isNullable]),
  ).toEqual([
    ['id', 'integer', false, false, false],
    ['b', 'integer', false, false, true],
    ['a', 'integer', true, true, false],
  ])
  expect([db.table('t').findRows({ a: 4 }), db.table('t').get(3)]).toEqual([[4], { id: 3, b: null, a: 3 }])
  db.write((tx) => {
    tx.changeColumn('t', 'a', { type: 'decimal', scale: 2 })
    tx.changeColumn('t', 'a', { scale: 3 })
  })
  expect([
    db.table('t').column('a').scale,
    String(db.table('t').get(4)?.a),
    db.table('t').column('a').isUnique,
  ]).toEqual([3, '4.000', true])
  db.write((tx) => tx.changeColumn('t', 'a', { type: 'integer' }, Number))
  expect(() => db.write((tx) => tx.changeColumn('t', 'a', { scale: 1 }))).toThrow(
    /has a scale, which only decimals have/,
  )
  expect(() => db.write((tx) => tx.changeColumn('t', 'a', { tpye: 'string' } as never))).toThrow(/has no option "tpye"/)
  expect(() => db.write((tx) => tx.changeColumn('t', 'a', { unique: true, index: false }))).toThrow(
    /unique but has no index/,
  )
  expect(() => db.write((tx) => tx.changeColumn('t', 'id', { type: 'string' }))).toThrow(/part of the key/)
  expect(() => db.write((tx) => tx.insert('t', { id: 9, a: 4 }))).toThrow(code('UNIQUE'))
  expect(db.check().problems).toEqual([])
})

describe('a class that was renamed, by hand or by a build that shortens names,', () => {
  @Entity()
  class Invoice {
    @Id() id!: number
  }
  const renamed = (): EntityClass => {
    class Inv {
      id!: number
    }
    Id({ type: 'integer' })(Inv.prototype, 'id')
    Entity()(Inv)
    return Inv
  }

  test.each(['create', 'apply'] as const)('makes no new table beside the one it had (%s)', async (schema) => {
    await (await open(path, { entities: [Extra, Invoice] })).close()
    const refused = open(path, { entities: [Extra, renamed()], schema })
    await expect(refused).rejects.toThrow(
      expect.objectContaining({
        code: 'SCHEMA',
        message: expect.stringMatching(
          /Inv would make the new table inv, .* table invoice\. .*@Entity\(\{ name: 'inv' \}\)/,
        ),
      }),
    )
    await using db = await open(path)
    expect(db.tableNames).toEqual(['extra', 'invoice'])
  })

  test('is told from one that is new: where every table has its class, or the new one is named', async () => {
    await (await open(path, { entities: [Extra] })).close()
    await (await open(path, { entities: [Extra, Invoice] })).close()
    @Entity({ name: 'receipt' })
    class Receipt {
      @Id() id!: number
    }
    await using db = await open(path, { entities: [Receipt] })
    expect(db.tableNames).toEqual(['extra', 'invoice', 'receipt'])
  })
})
