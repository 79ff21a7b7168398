import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isPromise } from '../kinds'
import type { EntityMapping } from './mapping'

/**
 * A validator of any library that follows the Standard Schema (https://standardschema.dev), such as a schema of zod or
 * valibot.
 */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>
  }
}

/** A value, or what is wrong with it. */
export type StandardResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * What the schema of a class makes of an object as it will be: every property, null where it has no value, references
 * as keys. Throws `VALIDATION`, naming the properties; `INVALID_ARGUMENT` for a schema that is async or none.
 */
export function validated(mapping: EntityMapping, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { className, schema } = mapping
  const result = schema!['~standard'].validate(values)
  if (isPromise(result)) {
    result.then(undefined, () => undefined)
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The schema of ${className} is async, but a transaction is one synchronous step. Await such checks before ` +
        'db.write.',
      { class: className },
    )
  }
  if (result.issues === undefined) return { ...values, ...(result.value as object) }
  const issues = result.issues.map(({ message, path }) => ({ path: pathOf(path), message }))
  const key = mapping.ids.map(({ name }) => show(values[name])).join(', ')
  throw new SnapheapError(
    'VALIDATION',
    `${className} ${key} is refused by its schema: ` +
      `${issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}. Pass ` +
      'values that it accepts.',
    { class: className, key, issues },
  )
}

/** Throws `SCHEMA` for what is no Standard Schema. */
export function ensureStandard(className: string, schema: unknown): void {
  const standard = (schema as Partial<StandardSchema> | undefined)?.['~standard']
  if (standard?.version === 1 && typeof standard.validate === 'function') return
  throw new SnapheapError(
    'SCHEMA',
    `The schema of ${className} does not follow the Standard Schema. Pass one of a library that does, such as zod ` +
      'or valibot.',
    { class: className },
  )
}

function pathOf(path: StandardIssue['path']): string {
  return (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
}
