import { isUtf8 } from 'node:buffer'
import { SnapheapError } from '../errors'
import { Decimal } from './decimal'
import type { Encoder } from './encoder'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Encodes the JSON text (RFC 8259) in bytes [start, end) through `encoder`, without making objects of it. A number that
 * the nearest double prints differently, as a number, becomes an exact decimal. Of members with the same name the last
 * counts. Throws `TYPE`, with the position, where the text is no JSON, or has a number beyond what a decimal holds.
 */
export function parseJson(encoder: Encoder, source: Uint8Array, start: number, end: number): void {
  const parser = new Parser(encoder, source, start, end)
  parser.text()
}

class Parser {
  private at: number

  constructor(
    private readonly encoder: Encoder,
    private readonly source: Uint8Array,
    private readonly start: number,
    private readonly end: number,
  ) {
    this.at = start
  }

  text(): void {
    this.value()
    this.space()
    if (this.at === this.end) return
    // as an element, so that the caller's `abandon` gives its reference back
    this.encoder.element()
    this.fail()
  }

  private value(): void {
    this.space()
    switch (this.source[this.at]) {
      case 0x7b:
        return this.object()
      case 0x5b:
        return this.array()
      case QUOTE:
        return this.string()
      case 0x74:
        this.word('true')
        return this.encoder.boolean(true)
      case 0x66:
        this.word('false')
        return this.encoder.boolean(false)
      case 0x6e:
        this.word('null')
        return this.encoder.null()
      default:
        return this.number()
    }
  }

  private object(): void {
    this.at++
    this.encoder.beginArray()
    if (this.next() !== 0x7d) {
      do {
        this.space()
        if (this.source[this.at] !== QUOTE) this.fail()
        this.string()
        this.encoder.element()
        if (this.next() !== 0x3a) this.fail()
        this.at++
        this.value()
        this.encoder.element()
      } while (this.hasMore(0x7d))
    }
    this.at++
    this.encoder.endDocument()
  }

  private array(): void {
    this.at++
    this.encoder.beginArray()
    if (this.next() !== 0x5d) {
      do {
        this.value()
        this.encoder.element()
      } while (this.hasMore(0x5d))
    }
    this.at++
    this.encoder.endArray()
  }

  /** After an item: steps over a comma, or stops at the closing bracket. */
  private hasMore(closing: number): boolean {
    const byte = this.next()
    if (byte === closing) return false
    if (byte !== 0x2c) this.fail()
    this.at++
    return true
  }

  private string(): void {
    const from = ++this.at
    const { source, end } = this
    let isPlain = true
    let bits = 0
    for (;;) {
      if (this.at >= end) this.fail()
      const byte = source[this.at]
      if (byte === QUOTE) break
      if (byte < 0x20) this.fail()
      bits |= byte
      if (byte === BACKSLASH) {
        isPlain = false
        this.at++
      }
      this.at++
    }
    const to = this.at++
    if (bits > 127 && !isUtf8(source.subarray(from, to))) {
      this.at = from
      this.fail()
    }
    if (isPlain) this.encoder.utf8(source, from, to)
    else this.encoder.string(this.parsed(from - 1, to + 1) as string)
  }

  private number(): void {
    const from = this.at
    while (this.at < this.end && isNumberByte(this.source[this.at])) this.at++
    const { buffer, byteOffset } = this.source
    const text = Buffer.from(buffer, byteOffset + from, this.at - from).toString('latin1')
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) {
      this.at = from
      this.fail()
    }
    const value = Number(text)
    if (text.length <= 15 && !/e/i.test(text)) this.encoder.number(value)
    else this.longNumber(from, text, value)
  }

  /** A number that a double may not hold: more than 15 digits, or an exponent. */
  private longNumber(from: number, text: string, value: number): void {
    let decimal: Decimal
    try {
      decimal = Decimal.parse(text)
    } catch {
      this.at = from
      return this.fail()
    }
    if (Number.isFinite(value) && decimal.compare(Decimal.parse(String(value))) === 0) this.encoder.number(value)
    else this.encoder.decimal(decimal.coefficient, decimal.scale)
  }

  private word(expected: string): void {
    for (let i = 0; i < expected.length; i++) {
      if (this.at + i >= this.end || this.source[this.at + i] !== expected.charCodeAt(i)) this.fail()
    }
    this.at += expected.length
  }

  private next(): number {
    this.space()
    return this.at < this.end ? this.source[this.at] : -1
  }

  private space(): void {
    while (this.at < this.end) {
      const byte = this.source[this.at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.at++
    }
  }

  private parsed(from: number, to: number): unknown {
    try {
      return JSON.parse(textDecoder.decode(this.source.subarray(from, to)))
    } catch {
      this.at = from
      return this.fail()
    }
  }

  private fail(): never {
    const position = this.at - this.start
    throw new SnapheapError('TYPE', `Not JSON at byte ${position}. Store valid JSON, or the text as a string.`, {
      position,
    })
  }
}

function isNumberByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || (byte | 0x20) === 0x65
}
