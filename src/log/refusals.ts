import { SnapheapError } from '../errors'
import { ioError } from '../heap/io-error'

/** The error of every commit after a sync of the log has failed. */
export function logNotSynced(folder: string, error: unknown): SnapheapError {
  const cause = ioError('sync', folder, error)
  return new SnapheapError(
    'IO',
    `The log in ${folder} could not be synced (${reason(cause)}), so it is not known what the device holds. Close ` +
      'the database, mend the cause and open it again.',
    detailsOf(cause),
    error,
  )
}

/** The error of every commit after the file was given a state that could not be synced. */
export function fileNotSynced(path: string, cause: unknown): SnapheapError {
  return new SnapheapError(
    'IO',
    `The file ${path} could not be synced, so it is not known which state it holds. Close the database, mend the ` +
      'cause and open it again.',
    { path },
    cause,
  )
}

/** The error of commits while those before, which could not be written, are being taken back. */
export function beingTakenBack(folder: string, cause: SnapheapError): SnapheapError {
  return new SnapheapError(
    'IO',
    `Commits that could not be written to the log in ${folder} (${reason(cause)}) are being taken back, which ` +
      'waits for the change or save under way. Try again when that has ended.',
    detailsOf(cause),
    cause,
  )
}

/** The error of every commit after commits could not be taken back: the database shows what the log does not have. */
export function notTakenBack(folder: string, cause: SnapheapError): SnapheapError {
  return new SnapheapError(
    'IO',
    `Commits that could not be written to the log in ${folder} could not be taken back either (${reason(cause)}). ` +
      'Close the database, mend the cause and open it again.',
    detailsOf(cause),
    cause,
  )
}

/** The error for commits that were not awaited, and were taken back with an awaited one. */
export function unawaitedLost(folder: string, version: number, cause: SnapheapError): SnapheapError {
  return new SnapheapError(
    'IO',
    `Commits after version ${version} could not be written to the log in ${folder} (${reason(cause)}) and were ` +
      'taken back, also those that were not awaited. Mend the cause and make them again.',
    { ...detailsOf(cause), version },
    cause,
  )
}

/** The error for a commit whose log segment has lost its name: it could not be found again. */
export function segmentGone(path: string): SnapheapError {
  return new SnapheapError(
    'NOT_FOUND',
    `The log segment ${path} was removed, renamed or replaced while it is written to. Close the database, put the ` +
      `log's folder back as it was and open it again.`,
    { path },
  )
}

/** What `close` throws when commits are lost. */
export function lostAtClose(path: string, version: number, cause: SnapheapError): SnapheapError {
  return new SnapheapError(
    'IO',
    `${path} is closed, but commits after version ${version} could not be made durable and are lost ` +
      `(${reason(cause)}). Mend the cause, open it again and make them again.`,
    { ...detailsOf(cause), path, version },
    cause,
  )
}

/** Throws if a claim would not begin a new epoch, or if there is no log to record it. */
export function ensureClaimable(path: string, epoch: number, present: number, durability: string): void {
  if (!Number.isSafeInteger(epoch) || epoch <= present)
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${path} is in epoch ${present}, so a claim needs a greater integer, not ${String(epoch)}. Get the number ` +
        'from the lease service.',
      { path, epoch: present },
    )
  if (durability === 'none')
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${path} does not log its commits, so no epoch can be claimed. Open it with durability 'commit' or 'interval'.`,
      { path },
    )
}

export function closedLog(): SnapheapError {
  return new SnapheapError('CLOSED', 'The database is closed. Open it again.')
}

export function takenBack(version: number): SnapheapError {
  return new SnapheapError('IO', `Version ${version} was taken back, because it could not be written. Try again.`, {
    version,
  })
}

function reason({ details, message }: SnapheapError): unknown {
  return details.systemCode ?? message
}

function detailsOf({ details }: SnapheapError): Record<string, unknown> {
  return { ...details }
}
