import { SnapheapError } from '../errors'

/** What the operating system refused, as a typed error that names the path. */
export function ioError(what: string, path: string, error: unknown): SnapheapError {
  if (error instanceof SnapheapError) return error
  const systemCode = (error as NodeJS.ErrnoException).code ?? 'unknown'
  const details = { path, systemCode }
  if (systemCode === 'ENOENT') {
    return new SnapheapError(
      'NOT_FOUND',
      `${path} does not exist. Check the path, or open it with create.`,
      details,
      error,
    )
  }
  if (systemCode === 'EEXIST') {
    return new SnapheapError(
      'EXISTS',
      `${path} exists already. Choose another path, or allow it to be replaced.`,
      details,
      error,
    )
  }
  const remedy =
    systemCode === 'ENOSPC'
      ? 'Free space on the device and try again; nothing was lost'
      : 'Nothing was lost; mend the cause and try again'
  return new SnapheapError('IO', `Could not ${what} ${path} (${systemCode}). ${remedy}.`, details, error)
}
