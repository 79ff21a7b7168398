import type { ChangeKind } from './change'
import type { Setting } from './scene'

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

function addValue({ scene, choice, fresh }: Setting): string[] | undefined {
  const type = choice.pick(scene.enums)
  if (type === undefined) return undefined
  const at = choice.chance(0.5) ? ` BEFORE ${literal(choice.pick(type.labels)!)}` : ''
  return [`ALTER TYPE ${type.name} ADD VALUE 'value ${fresh()}'${at}`]
}

function renameValue({ scene, choice, fresh }: Setting): string[] | undefined {
  const type = choice.pick(scene.enums)
  return type && [`ALTER TYPE ${type.name} RENAME VALUE ${literal(choice.pick(type.labels)!)} TO 'value ${fresh()}'`]
}

/** Two values change places: the labels are the same as before. */
function exchangeValues({ scene, choice }: Setting): string[] | undefined {
  const type = choice.pick(scene.enums)
  const [first, second] = choice.some(type?.labels ?? [], 2)
  if (second === undefined) return undefined
  const alter = `ALTER TYPE ${type!.name} RENAME VALUE`
  return [
    `${alter} ${literal(first!)} TO 'between'`,
    `${alter} ${literal(second)} TO ${literal(first!)}`,
    `${alter} 'between' TO ${literal(second)}`,
  ]
}

function addAttribute({ scene, choice, fresh }: Setting): string[] | undefined {
  const type = choice.pick(scene.composites)
  return (
    type && [`ALTER TYPE ${type.name} ADD ATTRIBUTE a_${fresh()} ${choice.pick(['integer', 'text', 'mood'])} CASCADE`]
  )
}

function dropAttribute({ scene, choice }: Setting): string[] | undefined {
  const type = choice.pick(scene.composites.filter(({ attributes }) => attributes.length > 1))
  return type && [`ALTER TYPE ${type.name} DROP ATTRIBUTE ${choice.pick(type.attributes)!.name} CASCADE`]
}

function renameAttribute({ scene, choice, fresh }: Setting): string[] | undefined {
  const type = choice.pick(scene.composites)
  return (
    type && [`ALTER TYPE ${type.name} RENAME ATTRIBUTE ${choice.pick(type.attributes)!.name} TO a_${fresh()} CASCADE`]
  )
}

/** Gone and there again under the same name: all values of it are null. */
function replaceAttribute({ scene, choice }: Setting): string[] | undefined {
  const type = choice.pick(scene.composites.filter(({ attributes }) => attributes.length > 1))
  const attribute = choice.pick(type?.attributes ?? [])
  if (attribute === undefined) return undefined
  return [
    `ALTER TYPE ${type!.name} DROP ATTRIBUTE ${attribute.name} CASCADE`,
    `ALTER TYPE ${type!.name} ADD ATTRIBUTE ${attribute.name} ${attribute.type} CASCADE`,
  ]
}

function setDomainDefault({ choice }: Setting): string[] {
  return [
    choice.chance(0.5)
      ? `ALTER DOMAIN score SET DEFAULT ${choice.int(90)}`
      : `ALTER DOMAIN label SET DEFAULT 'label ${choice.int(9)}'`,
  ]
}

const kind = (
  name: string,
  weight: number,
  make: (setting: Setting) => string[] | undefined,
  scope?: 'whole',
): ChangeKind => ({
  name,
  weight,
  make(setting) {
    const statements = make(setting)
    return statements && { statements, scope }
  },
})

export const TYPE_CHANGES: readonly ChangeKind[] = [
  kind('a new value of an enum', 3, addValue),
  kind('a renamed value of an enum', 3, renameValue),
  kind('values of an enum that change places', 2, exchangeValues, 'whole'),
  kind('a new attribute', 3, addAttribute),
  kind('a dropped attribute', 2, dropAttribute),
  kind('a renamed attribute', 1, renameAttribute),
  kind('an attribute made anew', 2, replaceAttribute),
  kind('the default of a domain', 1, setDomainDefault),
]
