import type pg from 'pg'
import { SnapheapError } from '../errors'
import { type SlotStatus, slotStatus } from './slot'

/** A warning is given above the first part of a limit, and another one only after the size was below the second. */
const WARNING_PART = 0.75
const CALM_PART = 0.5

/** Watches how much log the server keeps for a slot. */
export class SlotGuard {
  private hasWarned = false

  constructor(
    private readonly slot: string,
    /** Undefined: no limit but the server's own. */
    private readonly maxRetainedBytes: number | undefined,
    private readonly onNotice: (text: string) => void,
  ) {}

  /** Warns before a limit is reached. Throws, with `givesUpSlot`, when the mirror's own one is. */
  look({ retainedBytes, safeWalSizeBytes, isLost }: SlotStatus): void {
    const { slot, maxRetainedBytes } = this
    if (maxRetainedBytes !== undefined && retainedBytes > maxRetainedBytes)
      throw givenUp(slot, retainedBytes, maxRetainedBytes)
    if (isLost) return
    const serverLimit = safeWalSizeBytes === undefined ? Number.POSITIVE_INFINITY : retainedBytes + safeWalSizeBytes
    const limit = Math.min(serverLimit, maxRetainedBytes ?? Number.POSITIVE_INFINITY)
    if (retainedBytes < limit * CALM_PART) this.hasWarned = false
    if (this.hasWarned || retainedBytes < limit * WARNING_PART) return
    this.hasWarned = true
    const consequence =
      limit === serverLimit
        ? 'max_slot_wal_keep_size of the server allows'
        : 'maxRetainedBytes allows, at which the mirror gives the slot up'
    this.onNotice(
      `The server keeps ${retainedBytes} bytes of log for the replication slot "${slot}", of the ${limit} that ` +
        `${consequence}. The tables are copied again beyond that.`,
    )
  }
}

/** Whether the slot is to be dropped for this error. */
export function givesUpSlot(error: unknown, slot: string): boolean {
  return error instanceof SnapheapError && error.details.givesUpSlot === true && error.details.slot === slot
}

/**
 * Looks at the slot while something else is under way on other connections. Returns what ends that, and waits for the
 * last look.
 */
export function guardMeanwhile(
  client: pg.Client,
  slot: string,
  guard: SlotGuard,
  intervalMs: number,
  onError: (error: Error) => void,
): () => Promise<void> {
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const status = await slotStatus(client, slot)
    if (status !== undefined) guard.look(status)
  }
  const timer = setInterval(() => {
    looking ??= look()
      .catch(onError)
      .finally(() => {
        looking = undefined
      })
  }, intervalMs)
  return async () => {
    clearInterval(timer)
    await looking
  }
}

/** The error of a slot that is given up because the server fails again and again to decode its log for it. */
export function undecodable(error: SnapheapError, slot: string): SnapheapError {
  const { sqlState } = error.details
  return new SnapheapError(
    'POSTGRES',
    `${error.message} The server has failed to decode the same part of its log several times. ` +
      'The mirror has given the slot up, and copies the tables again.',
    { slot, sqlState, givesUpSlot: true, isTransient: true },
    error,
  )
}

function givenUp(slot: string, retainedBytes: number, maxRetainedBytes: number): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: the server kept ${retainedBytes} bytes of log for the replication slot "${slot}", ` +
      `more than the ${maxRetainedBytes} of maxRetainedBytes. ` +
      'The mirror has given the slot up, and copies the tables again.',
    { slot, retainedBytes, maxRetainedBytes, givesUpSlot: true, isTransient: true },
  )
}
