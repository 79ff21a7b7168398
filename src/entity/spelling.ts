import type { ColumnType } from '../table/column-type'

/** How remedies are written for a class with decorators, and for a table made by `table()`. */
export interface Spelling {
  /** What the class is called in a sentence. */
  readonly kind: 'Class' | 'Table'
  readonly addKey: string
  readonly addKeys: string
  readonly leaveOutKey: string
  readonly allowNull: string
  readonly addProperty: string
  readonly nameColumn: string
  readonly nameTable: string
  readonly typed: (type: ColumnType) => string
  readonly reference: (target: string) => string
}

const CLASS: Spelling = {
  kind: 'Class',
  addKey: 'Put @Id() before the property that identifies an object.',
  addKeys: 'Put @Id() before those properties and no others.',
  leaveOutKey: 'Leave @Id() out.',
  allowNull: 'Say nullable: true, with a property that can be null.',
  addProperty: 'decorate others with @Column().',
  nameColumn: '{ name: … }',
  nameTable: '@Entity({ name: … })',
  typed: (type) => `Say @Column({ type: '${type}' }), with a property of that type.`,
  reference: (target) => `@Ref(() => ${target})`,
}

const TABLE: Spelling = {
  kind: 'Table',
  addKey: 'Add .key() to the property that identifies an object, as in id: integer().key().',
  addKeys: 'Add .key() to those properties and no others.',
  leaveOutKey: 'Leave .key() out.',
  allowNull: 'Add .nullable().',
  addProperty: 'add others to table().',
  nameColumn: '.column(…)',
  nameTable: 'the first argument of table()',
  typed: (type) => `Write ${builderOf(type)}.`,
  reference: (target) => `ref(() => ${target})`,
}

export function spellingOf(isTable: boolean): Spelling {
  return isTable ? TABLE : CLASS
}

/** The call that makes a property of this type. */
function builderOf(type: ColumnType): string {
  const scalar = type.replace('[]', '')
  return `${scalar === 'string' ? 'text' : scalar}()${type.endsWith('[]') ? '.array()' : ''}`
}
