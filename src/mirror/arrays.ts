import type { Encoder } from '../value/encoder'
import { Scratch, type TextDecoder, unreadable } from './fields'

const OPEN = 0x7b // {
const CLOSE = 0x7d // }
const QUOTE = 0x22
const BACKSLASH = 0x5c
const BRACKET = 0x5b // [
const EQUALS = 0x3d

/**
 * Decoder for arrays whose elements `element` decodes; several dimensions become arrays of arrays. Lower bounds other
 * than 1 (`[0:1]={a,b}`) are not kept: an array of this library begins where it begins. `onBounds` is called for them.
 * Format: PostgreSQL manual, "Array Input and Output Syntax".
 */
export function arrayDecoder(element: TextDecoder, delimiter: string, onBounds: () => void): TextDecoder {
  const separator = delimiter.charCodeAt(0)
  const scratch = new Scratch()

  /** Reads the array that begins at `position`; returns where it ended. */
  function readArray(bytes: Buffer, position: number, start: number, end: number, out: Encoder): number {
    const fail = () => unreadable(bytes, start, end, 'an array')
    out.beginArray()
    position++
    if (bytes[position] === CLOSE && position < end) {
      out.endArray()
      return position + 1
    }
    for (;;) {
      if (position >= end) throw fail()
      const byte = bytes[position]!
      if (byte === OPEN) position = readArray(bytes, position, start, end, out)
      else if (byte === QUOTE) position = readQuoted(bytes, position, start, end, out)
      else position = readPlain(bytes, position, end, out)
      out.element()
      if (position >= end) throw fail()
      const next = bytes[position++]
      if (next === CLOSE) break
      if (next !== separator) throw fail()
    }
    out.endArray()
    return position
  }

  function readPlain(bytes: Buffer, position: number, end: number, out: Encoder): number {
    const begin = position
    while (position < end && bytes[position] !== separator && bytes[position] !== CLOSE) position++
    if (isNull(bytes, begin, position)) out.null()
    else element(bytes, begin, position, out)
    return position
  }

  function readQuoted(bytes: Buffer, position: number, start: number, end: number, out: Encoder): number {
    const begin = position + 1
    let escapes = 0
    for (position = begin; position < end && bytes[position] !== QUOTE; position++) {
      if (bytes[position] === BACKSLASH) {
        escapes++
        position++
      }
    }
    if (position >= end) throw unreadable(bytes, start, end, 'an array')
    if (escapes === 0) {
      element(bytes, begin, position, out)
      return position + 1
    }
    const target = scratch.take(position - begin)
    let length = 0
    for (let i = begin; i < position; i++) {
      if (bytes[i] === BACKSLASH) i++
      target[length++] = bytes[i]!
    }
    element(target, 0, length, out)
    return position + 1
  }

  return (bytes, start, end, out) => {
    let position = start
    if (bytes[position] === BRACKET) {
      onBounds()
      while (position < end && bytes[position] !== EQUALS) position++
      position++
    }
    if (position >= end || bytes[position] !== OPEN) throw unreadable(bytes, start, end, 'an array')
    if (readArray(bytes, position, start, end, out) !== end) throw unreadable(bytes, start, end, 'an array')
  }
}

/** Unquoted NULL; the text "NULL" would be quoted. */
function isNull(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start === 4 &&
    bytes[start] === 0x4e &&
    bytes[start + 1] === 0x55 &&
    bytes[start + 2] === 0x4c &&
    bytes[start + 3] === 0x4c
  )
}
