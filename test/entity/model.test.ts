import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  Column,
  type Conditions,
  type Database,
  Entity,
  type EntityReader,
  type EntitySnapshot,
  type EntityTransaction,
  Id,
  open,
  Ref,
  SnapheapError,
} from '../../src/index'

@Entity()
class Node {
  @Id() id!: number
  @Column({ type: 'number', nullable: true }) weight!: number | null
  @Column() label!: string
  @Ref(() => Leaf, { nullable: true }) leaf!: Leaf | null
}

@Entity()
class Leaf {
  @Id() key!: string
  @Column() size!: number
}

interface State {
  nodes: Map<number, { weight: number | null; label: string; leaf: string | null }>
  leaves: Map<string, number>
}

/** An object in somebody's hands, and the key it was got by, as long as it is that object's. */
interface Held {
  readonly object: Node | Leaf
  key: number | string | undefined
}

const id = fc.nat(12)
const key = fc.nat(8).map((n) => `leaf number ${n}`)
const weight = fc.option(fc.constantFrom(0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -7))
const label = fc.constantFrom('', 'a', 'a longer label', 'ü\0')
const step = fc.oneof(
  fc.record({ kind: fc.constant('node' as const), id, weight, label, leaf: fc.option(key) }),
  fc.record({ kind: fc.constant('leaf' as const), key, size: fc.nat(3) }),
  fc.record({ kind: fc.constant('delete' as const), id, key, isLeaf: fc.boolean() }),
  fc.record({ kind: fc.constant('assign' as const), id, weight, label }),
  fc.record({ kind: fc.constant('hold' as const), id, key }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
const block = fc.record({ steps: fc.array(step, { maxLength: 8 }), isKept: fc.boolean(), takesSnapshot: fc.boolean() })

test('random work through classes leaves what the same work leaves in maps, for live objects and snapshots', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(block, { maxLength: 12 }), async (blocks) => {
      const db = await open(undefined, { entities: [Node, Leaf] })
      let state: State = { nodes: new Map(), leaves: new Map() }
      let held: Held[] = []
      const snapshots: { snapshot: EntitySnapshot; state: State; held: Node[] }[] = []
      for (const { steps, isKept, takesSnapshot } of blocks) {
        const next: State = {
          nodes: new Map([...state.nodes].map(([k, v]) => [k, { ...v }])),
          leaves: new Map(state.leaves),
        }
        const before = held.map((each) => ({ ...each }))
        const change = (): void =>
          db.write((tx) => {
            for (const each of steps) run(db, tx, each, next, held)
            compare(db, next)
            if (!isKept) throw new Error('taken back')
          })
        if (isKept) {
          change()
          state = next
        } else {
          expect(change).toThrow('taken back')
          const kept = new Set(before.map((each) => each.object))
          held = [
            ...before,
            ...held.filter((each) => !kept.has(each.object)).map((each) => ({ ...each, key: undefined })),
          ]
        }
        compare(db, state)
        checkHeld(held, state)
        if (takesSnapshot) {
          const snapshot = db.snapshot()
          snapshots.push({ snapshot, state, held: [...snapshot.all(Node)] })
        }
      }
      for (const each of snapshots) {
        compare(each.snapshot, each.state)
        checkHeld(
          each.held.map((object) => ({ object, key: object.id })),
          each.state,
        )
        each.snapshot.close()
      }
      expect(db.check().problems).toEqual([])
      await db.close()
    }),
    { numRuns: 60 },
  )
})

/** Does one step in the open transaction and in the model. */
function run(db: Database, tx: EntityTransaction, each: Step, state: State, held: Held[]): void {
  const { nodes, leaves } = state
  if (each.kind === 'node') {
    const values = { weight: each.weight, label: each.label, leaf: each.leaf }
    const known = tx.get(Node, each.id)
    expect(known !== undefined).toBe(nodes.has(each.id))
    if (known === undefined) tx.insert(Node, { id: each.id, ...values })
    else tx.update(known, values)
    nodes.set(each.id, values)
  } else if (each.kind === 'leaf') {
    const known = db.get(Leaf, each.key)
    if (known === undefined) held.push({ object: tx.insert(Leaf, { key: each.key, size: each.size }), key: each.key })
    else known.size = each.size
    leaves.set(each.key, each.size)
  } else if (each.kind === 'assign') {
    const known = held.find(({ object, key }) => object instanceof Node && key === each.id)?.object as Node | undefined
    if (known === undefined) return
    known.weight = each.weight
    known.label = each.label
    nodes.set(each.id, { ...nodes.get(each.id)!, weight: each.weight, label: each.label })
  } else if (each.kind === 'hold') {
    const [node, leaf] = [db.get(Node, each.id), tx.get(Leaf, each.key)]
    if (node !== undefined) held.push({ object: node, key: each.id })
    if (leaf !== undefined) held.push({ object: leaf, key: each.key })
  } else {
    const object = each.isLeaf ? tx.get(Leaf, each.key) : tx.get(Node, each.id)
    if (object === undefined) return
    tx.delete(object)
    if (each.isLeaf) leaves.delete(each.key)
    else nodes.delete(each.id)
    for (const one of held) if (one.key === (each.isLeaf ? each.key : each.id)) one.key = undefined
  }
}

function nodeValues(node: Node): unknown {
  let leaf: string | null
  try {
    leaf = node.leaf?.key ?? null
  } catch (error) {
    leaf = `missing: ${(error as SnapheapError).details.key}`
  }
  return { weight: node.weight, label: node.label, leaf }
}

function expectedNode({ nodes, leaves }: State, id: number): unknown {
  const { leaf, ...rest } = nodes.get(id)!
  return { ...rest, leaf: leaf === null || leaves.has(leaf) ? leaf : `missing: ${leaf}` }
}

/** Proves that a reader sees exactly the state. */
function compare(reader: EntityReader, state: State): void {
  const { nodes, leaves } = state
  expect([reader.count(Node), reader.count(Leaf)]).toEqual([nodes.size, leaves.size])
  expect(new Map([...reader.all(Leaf)].map((each) => [each.key, each.size]))).toEqual(leaves)
  for (const id of nodes.keys()) expect(nodeValues(reader.get(Node, id)!)).toEqual(expectedNode(state, id))
  for (const [key, size] of leaves) expect(reader.get(Leaf, key)!.size).toBe(size)
  const ids = (is: (node: { label: string; leaf: string | null }) => boolean): number[] =>
    [...nodes]
      .filter(([, each]) => is(each))
      .map(([id]) => id)
      .sort((a, b) => a - b)
  const found = (conditions: Conditions<Node>): number[] => reader.find(Node, conditions).map((each) => each.id)
  expect(found({ label: 'a longer label' })).toEqual(ids((each) => each.label === 'a longer label'))
  expect(found({ leaf: null, label: '' })).toEqual(ids((each) => each.leaf === null && each.label === ''))
  for (const leaf of reader.all(Leaf)) expect(found({ leaf })).toEqual(ids((each) => each.leaf === leaf.key))
}

/** Proves that objects in hand still are what they were, or know that they are nothing. */
function checkHeld(held: readonly Held[], state: State): void {
  for (const { object, key } of held) {
    if (key === undefined) {
      expect(() => (object instanceof Node ? object.label : object.size)).toThrow(SnapheapError)
    } else if (object instanceof Node) {
      expect([object.id, nodeValues(object)]).toEqual([key, expectedNode(state, key as number)])
    } else {
      expect([object.key, object.size]).toEqual([key, state.leaves.get(key as string)])
    }
  }
}
