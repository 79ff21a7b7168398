import { afterAll } from 'vitest'
import { bundleProgram } from './program'

const bundles = new Map<string, ReturnType<typeof bundleProgram>>()
afterAll(async () => {
  for (const { remove } of await Promise.all(bundles.values())) remove()
})

/** The bundle of a program that many tests of a file start: made once, and gone after the last of them. */
export async function bundleOnce(file: string): Promise<string> {
  const made = bundles.get(file) ?? bundleProgram(file)
  bundles.set(file, made)
  return (await made).bundle
}
