import { ROOT } from '../heap/layout'
import type { View } from '../heap/view'
import { hashHalves } from '../struct/hash'
import { HashTable } from '../struct/hash-table'
import { OBJECT_HEADER_WORDS, POINTER_TAGS, tableSlot, wordsOf } from './intern-tables'
import { elementWords } from './interner'
import { isComposite, isPointer } from './word'

/** Counts, for a check, who refers to which interned object. */
export class ReferenceCensus {
  private readonly counted = new Map<number, number>()

  /** Counts a word found in some place that owns a reference. */
  word(low: number, high: number): void {
    if (isPointer(high)) this.counted.set(low >>> 0, (this.counted.get(low >>> 0) ?? 0) + 1)
  }

  /**
   * Walks every interned object: each can be found by its contents, once, and has as many references as were counted.
   * Reports problems and claims every piece of the heap that the objects and their tables occupy.
   */
  check(view: View, claim: (address: number, what: string) => void, report: (problem: string) => void): void {
    const objects = [...this.objects(view, claim, report)]
    for (const { tag, address } of objects) {
      if (!isComposite(tag)) continue
      const words = elementWords(tag, wordsOf(view.low(address)))
      for (let i = 1; i <= words; i++) this.word(view.low(address + i), view.high(address + i))
    }
    for (const { address } of objects) {
      const counted = this.counted.get(address) ?? 0
      if (counted === 0) report(`object ${address} is kept but nothing refers to it`)
      else if (counted !== view.high(address))
        report(`object ${address} says it has ${view.high(address)} references and has ${counted}`)
      this.counted.delete(address)
    }
    for (const address of this.counted.keys()) report(`a word points at ${address}, where no object is`)
  }

  private *objects(
    view: View,
    claim: (address: number, what: string) => void,
    report: (problem: string) => void,
  ): Generator<{ tag: number; address: number }> {
    for (const tag of POINTER_TAGS) {
      const descriptor = view.low(tableSlot(tag)) >>> 0
      if (descriptor === 0) continue
      const table = new HashTable(view, descriptor)
      for (const address of table.allocations()) claim(address, 'an intern table')
      for (const problem of table.check()) report(problem)
      const seen = new Set<string>()
      for (const entry of table.entries()) {
        const address = table.payload(entry)
        claim(address, `an object with tag ${tag.toString(16)}`)
        const halves = contentsOf(view, address)
        if (hashHalves(halves, 0, halves.length, view.low(ROOT.seed)) !== table.hashOf(entry))
          report(`object ${address} has the wrong hash`)
        const contents = `${view.low(address)}:${halves.join()}`
        if (seen.has(contents)) report(`object ${address} is interned twice`)
        seen.add(contents)
        yield { tag, address }
      }
    }
  }
}

function contentsOf(view: View, address: number): Int32Array {
  const words = wordsOf(view.low(address))
  const halves = new Int32Array(words * 2)
  for (let i = 0; i < words; i++) {
    halves[i * 2] = view.low(address + OBJECT_HEADER_WORDS + i)
    halves[i * 2 + 1] = view.high(address + OBJECT_HEADER_WORDS + i)
  }
  return halves
}
