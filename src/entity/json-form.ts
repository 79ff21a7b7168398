import { isBytes } from '../kinds'
/**
 * A stored value as JSON can say it without loss: bigints as decimal text, NaN and the infinities
 * as text, dates as ISO text, bytes as base64. Decimals and rationals are text already.
 */
export function jsonForm(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (isBytes(value)) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (Array.isArray(value)) return value.map(jsonForm)
  if ('toJSON' in value && typeof value.toJSON === 'function') return jsonForm(value.toJSON())
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, jsonForm(each)]))
}
