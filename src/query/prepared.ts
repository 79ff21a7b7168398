import type { Table } from '../table/table'
import type { SlotValues } from './operand'
import { Pipeline, type QueryReader } from './pipeline'
import type { Shape } from './shape'

const prepared = new WeakMap<QueryReader, Map<string, Prepared>>()
/** Shapes kept for a reader; the oldest goes first. */
const MOST = 1000

/** What queries of one shape on one reader share: their pipeline, made anew when a table that it reads was altered. */
export class Prepared {
  private pipeline: Pipeline | undefined
  private tables = new Map<string, Table>()
  private isBusy = false

  private constructor(
    private readonly reader: QueryReader,
    private readonly shape: Shape,
  ) {}

  static of(reader: QueryReader, shape: Shape): Prepared {
    let shapes = prepared.get(reader)
    if (shapes === undefined) {
      shapes = new Map()
      prepared.set(reader, shapes)
    }
    let known = shapes.get(shape.key)
    if (known === undefined) {
      if (shapes.size >= MOST) shapes.delete(shapes.keys().next().value as string)
      known = new Prepared(reader, shape)
      shapes.set(shape.key, known)
    }
    return known
  }

  /**
   * Hands the pipeline out. A query that is asked while another of its shape runs, as by a function within that, gets
   * its own.
   */
  use<R>(run: (pipeline: Pipeline, slots: SlotValues) => R, slots: SlotValues): R {
    if (this.isBusy) return run(this.make(new Map()), slots)
    this.isBusy = true
    try {
      return run(this.current(), slots)
    } finally {
      this.isBusy = false
    }
  }

  /** A pipeline of one's own, for a run that others may come in between of. */
  own(): Pipeline {
    return this.make(new Map())
  }

  private current(): Pipeline {
    if (this.pipeline !== undefined && this.isCurrent()) return this.pipeline
    this.tables = new Map()
    this.pipeline = this.make(this.tables)
    return this.pipeline
  }

  private isCurrent(): boolean {
    for (const [name, table] of this.tables) if (this.reader.table(name) !== table) return false
    return true
  }

  /** A pipeline, and in `tables` what it reads. */
  private make(tables: Map<string, Table>): Pipeline {
    const { reader, shape } = this
    const recording: QueryReader = {
      table: (name) => {
        const table = reader.table(name)
        tables.set(name, table)
        return table
      },
      objectOf: (type, row) => reader.objectOf!(type, row),
    }
    return new Pipeline(shape.plan, recording, { value: shape.slots.length })
  }
}
