import type { z } from 'zod'
import { JSON_LIMITS } from './json-limits'
import { loadPackage } from './on-demand'

export type JsonSchemas = ReturnType<typeof makeSchemas>

let made: JsonSchemas | undefined

/** What queries out of JSON look like. Made when the first comes. */
export function jsonSchemas(): JsonSchemas {
  made ??= makeSchemas()
  return made
}

function makeSchemas() {
  const { z } = loadPackage('zod')
  const count = z.int().nonnegative()
  const name = z.string()
  const conditions = z.record(z.string(), z.unknown())
  const listedConditions = z.array(z.unknown()).nonempty()
  const listedValues = z.array(z.unknown()).max(JSON_LIMITS.listedValues)
  const request = z.strictObject({
    from: name,
    where: conditions.optional(),
    select: z.union([z.array(name).nonempty(), z.record(z.string(), name)]).optional(),
    sort: z
      .union([
        z.array(z.tuple([name, z.enum(['asc', 'desc'])])),
        z.record(z.string(), z.union([z.literal(1), z.literal(-1)])),
      ])
      .optional(),
    limit: count.optional(),
    skip: count.optional(),
  })
  /** What operators take, of those that take no value of a column. */
  const operands: Readonly<Record<string, z.ZodType>> = {
    $and: listedConditions,
    $or: listedConditions,
    $nor: listedConditions,
    $in: listedValues,
    $nin: listedValues,
    $not: conditions,
    $elemMatch: conditions,
    $exists: z.boolean(),
    $regex: z.string().max(JSON_LIMITS.patternLength),
    $options: z.literal(['', 'i']),
  }
  return { request, operands }
}
