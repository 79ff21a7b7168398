import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Random = () => number

/** Something done to the files of a database, and what it was, in words. */
export type Damage = (random: Random, files: readonly string[], foreign: readonly string[]) => string

/** Segments of a log, in order. */
export function segmentsOf(path: string): string[] {
  return readdirSync(`${path}.log`)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(`${path}.log`, name))
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]
}

function change(file: string, edit: (bytes: Buffer) => Buffer): void {
  writeFileSync(file, edit(readFileSync(file)))
}

/** Up to five bits of one file are others. */
export const flip: Damage = (random, files) => {
  const file = pick(random, files)
  const at: number[] = []
  change(file, (bytes) => {
    for (let count = 1 + random() ** 3 * 5; count > 0; count--) {
      at.push(Math.floor(random() * bytes.length))
      bytes[at[at.length - 1]] ^= 1 << Math.floor(random() * 8)
    }
    return bytes
  })
  return `bits at ${at} of ${file} flipped`
}

export const truncate: Damage = (random, files) => {
  const file = pick(random, files)
  change(file, (bytes) => bytes.subarray(0, Math.floor(random() * bytes.length)))
  return `${file} truncated`
}

/** Some bytes of a file are those of another place, of the same file or another. */
export const splice: Damage = (random, files, foreign) => {
  const file = pick(random, files)
  const source = readFileSync(pick(random, random() < 0.3 ? foreign : files))
  change(file, (bytes) => {
    const from = Math.floor((random() * source.length) / 8) * 8
    const part = source.subarray(from, from + Math.floor((random() ** 2 * source.length) / 8) * 8)
    const at = Math.floor((random() * bytes.length) / 8) * 8
    const end = random() < 0.5 ? at + part.length : at
    return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(end)])
  })
  return `${file} has bytes of another place`
}

export const zero: Damage = (random, files) => {
  const file = pick(random, files)
  change(file, (bytes) => {
    const at = Math.floor(random() * bytes.length)
    return bytes.fill(0, at, at + Math.floor(random() ** 2 * (bytes.length - at)))
  })
  return `${file} has zeros`
}

export const swap: Damage = (random, files) => {
  const [one, other] = [pick(random, files), pick(random, files)]
  const bytes = readFileSync(one)
  copyFileSync(other, one)
  writeFileSync(other, bytes)
  return `${one} and ${other} swapped`
}

export const lose: Damage = (random, files) => {
  const file = pick(random, files)
  rmSync(file)
  return `${file} missing`
}

/** A file is another database's, of the same name or not. */
export const exchange: Damage = (random, files, foreign) => {
  const file = pick(random, files)
  copyFileSync(pick(random, foreign), file)
  return `${file} is another database's`
}

/** A segment has the name that another could have. */
export const rename: Damage = (random, files) => {
  const file = pick(random, files)
  const name = String(Math.floor(random() * 60)).padStart(16, '0')
  const renamed = join(file, '..', `${name}.log`)
  renameSync(file, renamed)
  return `${file} renamed to ${name}`
}
