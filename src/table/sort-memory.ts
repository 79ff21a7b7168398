/** What sorting a column keeps, by row or by value. */
export type SortPart = 'rows' | 'ends' | 'hashes' | 'payloads' | 'flags' | 'records'

/** Memory for sorting one column after the other: memory made anew for each would cost full garbage collections. */
export class SortMemory {
  private readonly parts = new Map<SortPart, Uint32Array<ArrayBuffer>>()

  /** So many numbers, undefined at first. What was taken as the same part before is no longer valid. */
  take(part: SortPart, length: number): Uint32Array<ArrayBuffer> {
    let memory = this.parts.get(part)
    if (memory === undefined || memory.length < length) {
      memory = new Uint32Array(length)
      this.parts.set(part, memory)
    }
    return memory.subarray(0, length)
  }
}
