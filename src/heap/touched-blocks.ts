const FEW = 256

/**
 * Where each block that an open transaction has touched was before it. Its memory serves one transaction after another.
 */
export class TouchedBlocks {
  count = 0
  blocks = new Uint32Array(FEW)
  /** Earlier physical blocks. */
  places = new Uint32Array(FEW)
  /** Earlier births. */
  births = new Float64Array(FEW)

  add(block: number, place: number, birth: number): void {
    if (this.count === this.blocks.length) this.resize(this.count * 2)
    const i = this.count++
    this.blocks[i] = block
    this.places[i] = place
    this.births[i] = birth
  }

  clear(): void {
    this.count = 0
    if (this.blocks.length > FEW) this.resize(FEW)
  }

  private resize(length: number): void {
    const { blocks, places, births, count } = this
    this.blocks = new Uint32Array(length)
    this.places = new Uint32Array(length)
    this.births = new Float64Array(length)
    this.blocks.set(blocks.subarray(0, count))
    this.places.set(places.subarray(0, count))
    this.births.set(births.subarray(0, count))
  }
}
