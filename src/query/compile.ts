import { compileFunction } from 'node:vm'

type Maker = (...given: readonly unknown[]) => unknown

const made = new Map<string, Maker>()
/** Shapes remembered; the oldest goes first. A program has as many as it has places that ask. */
const MOST = 1000

const isAllowed = ((): boolean => {
  try {
    return new Function('return true')() === true
  } catch {
    return false // --disallow-code-generation-from-strings
  }
})()

/**
 * What generated code makes when it is called with what it is given, compiled once for its text; undefined where this
 * process was told not to make code from strings.
 */
export function compile(source: string, parameters: readonly string[]): Maker | undefined {
  if (!isAllowed) return undefined
  let maker = made.get(source)
  if (maker === undefined) {
    maker = compileFunction(source, [...parameters]) as Maker
    if (made.size >= MOST) made.delete(made.keys().next().value as string)
    made.set(source, maker)
  }
  return maker
}
