import { type Change, type ChangeKind, makeChange } from './change'
import { COLUMN_CHANGES } from './column-changes'
import { PARTITION_CHANGES } from './partition-changes'
import { PUBLICATION_CHANGES } from './publication-changes'
import { insertRows, ROW_CHANGES } from './row-changes'
import { mainTables, readScene, type Setting } from './scene'
import { Refused, type Script } from './script'
import { mend, TABLE_CHANGES } from './table-changes'
import { TYPE_CHANGES } from './type-changes'

/** Kinds of changes of the schema, each group as often as it says. */
const SCHEMA_CHANGES: readonly (readonly [weight: number, kinds: readonly ChangeKind[]])[] = [
  [35, COLUMN_CHANGES],
  [15, TYPE_CHANGES],
  [25, TABLE_CHANGES],
  [20, PARTITION_CHANGES],
  [8, PUBLICATION_CHANGES],
]
const KINDS: readonly ChangeKind[] = SCHEMA_CHANGES.flatMap(([weight, kinds]) => {
  const total = kinds.reduce((sum, kind) => sum + kind.weight, 0)
  return kinds.map((kind) => ({ ...kind, weight: Math.ceil((1000 * weight * kind.weight) / total) }))
})

/** Runs random changes; what they can be is read from the server before each of them. */
export class Steps {
  constructor(
    private readonly script: Script,
    private readonly setting: Omit<Setting, 'scene'>,
  ) {}

  /** One step: a few changes, each by itself or in one transaction. */
  async run(): Promise<void> {
    try {
      if (this.setting.choice.chance(0.6)) await this.transaction()
      else await this.oneByOne()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }

  /** Gives the mirrored tables their first rows. */
  async fill(): Promise<void> {
    const setting = await this.look()
    for (const table of mainTables(setting)) await this.script.run(insertRows(setting, table, 0, 60))
  }

  /** Makes what is mirrored fit, if it is not. */
  async mend(): Promise<void> {
    const change = mend(await this.look())
    if (change === undefined) return
    this.script.note('mended')
    for (const sql of change.statements) await this.script.run(sql)
  }

  private async transaction(): Promise<void> {
    const { choice } = this.setting
    await this.script.run('BEGIN')
    try {
      for (let rest = choice.between(1, 4); rest > 0; rest--) {
        const change = await this.change()
        if (change.scope !== 'alone') await this.all(change, choice.chance(0.1))
      }
      await this.script.run(choice.chance(0.06) ? 'ROLLBACK' : 'COMMIT')
    } catch (error) {
      if (error instanceof Refused) await this.script.run('ROLLBACK')
      throw error
    }
  }

  private async all({ statements }: Change, isUndone: boolean): Promise<void> {
    if (isUndone) await this.script.run('SAVEPOINT change')
    for (const sql of statements) await this.script.run(sql)
    if (isUndone) await this.script.run('ROLLBACK TO SAVEPOINT change')
  }

  private async oneByOne(): Promise<void> {
    for (let rest = this.setting.choice.between(1, 2); rest > 0; rest--) {
      const change = await this.change()
      if (change.scope === 'whole') await this.whole(change)
      else for (const sql of change.statements) await this.script.run(sql)
    }
  }

  private async whole({ statements }: Change): Promise<void> {
    await this.script.run('BEGIN')
    try {
      for (const sql of statements) await this.script.run(sql)
      await this.script.run('COMMIT')
    } catch (error) {
      if (error instanceof Refused) await this.script.run('ROLLBACK')
      throw error
    }
  }

  private async change(): Promise<Change> {
    const setting = await this.look()
    return makeChange(setting.choice.chance(0.45) ? ROW_CHANGES : KINDS, setting)
  }

  private async look(): Promise<Setting> {
    return { ...this.setting, scene: await readScene(await this.script.client()) }
  }
}
