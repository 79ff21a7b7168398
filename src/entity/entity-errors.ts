import { SnapheapError } from '../errors'

/** The error for changing an object that was read from a snapshot. */
export function readOnlySnapshot(className: string): SnapheapError {
  return new SnapheapError(
    'READ_ONLY',
    `This ${className} is from a snapshot, which never changes. Look it up with tx.get and change that.`,
    {
      class: className,
    },
  )
}
