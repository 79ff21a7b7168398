import { SnapheapError } from '../errors'
import { ioError } from '../heap/io-error'

/** The error of every commit after a sync of the log has failed. */
export function logNotSynced(folder: string, error: unknown): SnapheapError {
  const cause = ioError('sync', folder, error)
  return new SnapheapError(
    'IO',
    `The log in ${folder} could not be synced (${cause.details.systemCode ?? cause.message}), so it is not known what the device holds. Close the database, mend the cause and open it again.`,
    cause.details as Record<string, unknown>,
    error,
  )
}

/** The error of every commit after the file was given a state that could not be synced. */
export function fileNotSynced(path: string, cause: unknown): SnapheapError {
  return new SnapheapError(
    'IO',
    `The file ${path} could not be synced, so it is not known which state it holds. Close the database, mend the cause and open it again.`,
    { path },
    cause,
  )
}
