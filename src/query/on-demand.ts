import { createRequire } from 'node:module'
import { SnapheapError } from '../errors'

/**
 * Packages that only queries out of JSON need. Together they take longer to load than everything else, so they are
 * loaded when such a query first comes: by `require`, because it is answered at once.
 */
interface Packages {
  readonly zod: typeof import('zod')
  readonly re2js: typeof import('re2js')
}

/** Throws `NOT_FOUND` where the package is not installed: it was left out when the program was bundled. */
export function loadPackage<Name extends keyof Packages>(name: Name): Packages[Name] {
  try {
    // not written as one expression, which bundlers replace by a look-up in the bundle
    const from: string | undefined = import.meta.url ?? process.argv[1] // undefined where it was bundled as CommonJS
    return createRequire(from)(name)
  } catch (error) {
    const [reason] = String(error).split('\n')
    throw new SnapheapError(
      'NOT_FOUND',
      `Queries out of JSON need the package ${name}, which does not load (${reason}). ` +
        `Install ${name} beside the program, or leave snapheap out of its bundle.`,
      { package: name },
      error,
    )
  }
}
