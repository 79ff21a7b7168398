import type { ModelTable } from '../../table/support/model'

/** What a simulated run proved wrong. */
export class SimulationFailure extends Error {
  constructor(
    readonly kind: 'lost' | 'torn' | 'false error',
    what: string,
    cause?: unknown,
  ) {
    super(`${kind}: ${what}`, { cause })
  }
}

/** The whole contents of a database, as plain data. */
export interface State {
  readonly tables: readonly ModelTable[]
  /** Of the table that grows beside those: id -> text. */
  readonly ledger: ReadonlyMap<number, string>
}

/** Every state that the database has had, and the promises that were made about them. */
export class History {
  /** Every commit up to this version was promised to be on the device. */
  acknowledged = 0
  private readonly states = new Map<number, State>(
    [0, 1].map((version) => [version, { tables: [], ledger: new Map() }]),
  )
  /** A commit that failed in a way which leaves open whether the device has it. */
  private uncertain: { readonly version: number; readonly state: State } | undefined

  committed(version: number, state: State): void {
    this.states.set(version, state)
    this.uncertain = undefined
  }

  has(version: number): boolean {
    return this.states.has(version)
  }

  /** What a version may be for somebody who reads what the device holds. */
  candidates(version: number): State[] {
    const known = this.states.get(version)
    const { uncertain } = this
    return [...(known === undefined ? [] : [known]), ...(uncertain?.version === version ? [uncertain.state] : [])]
  }

  /** Whether a version is this very commit, and not another of its number. */
  is(version: number, state: State): boolean {
    return this.states.get(version) === state
  }

  /** The database has returned to a version: what it showed beyond never was. */
  returned(version: number): void {
    if (version < this.acknowledged)
      throw new SimulationFailure('lost', `version ${this.acknowledged} was acknowledged and taken back`)
    this.forgetBeyond(version)
  }

  /** Only one such commit can be on the device: after it, none is taken. */
  isUncertain(version: number, state: State): void {
    this.uncertain = { version, state }
  }

  get hasUncertain(): boolean {
    return this.uncertain !== undefined
  }

  acknowledge(version: number): void {
    if (version > this.acknowledged) this.acknowledged = version
  }

  at(version: number): State {
    const state = this.states.get(version)
    if (state === undefined) throw new SimulationFailure('torn', `there never was a version ${version}`)
    return state
  }

  /** The database has been opened at a version, from which on it goes on. */
  reopened(version: number): void {
    if (version < this.acknowledged)
      throw new SimulationFailure('lost', `version ${version} was found, and ${this.acknowledged} was acknowledged`)
    if (this.uncertain?.version === version) this.states.set(version, this.uncertain.state)
    this.uncertain = undefined
    this.at(version)
    this.forgetBeyond(version)
  }

  private forgetBeyond(version: number): void {
    for (const each of this.states.keys()) if (each > version) this.states.delete(each)
  }
}
