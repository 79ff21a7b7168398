// Runs in an installed package, under the runtime of a platform: the addon by itself, then the library with a file.
// Exits with an error if anything is wrong, a warning included.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, verify } from '../../dist/index.js'

const [name] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'snapheap-smoke-'))
const warnings = []
process.on('warning', (warning) => warnings.push(warning))
try {
  addon()
  await library(join(folder, 'smoke.heap'))
  await new Promise((resolve) => setTimeout(resolve, 10)) // warnings are told in a turn of their own
  assert.deepEqual(warnings, [])
  const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`
  console.log(`addon and library pass on ${runtime}, ${process.arch}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function addon() {
  const { crc32c, allocate, copy } = createRequire(import.meta.url)(`../../native/prebuilds/${name}/snapheap.node`)
  // RFC 3720, B.4; then longer than what the instruction's three lanes take at once, against one bit at a time
  assert.equal(crc32c(new Uint8Array(32), 0), 0x8a9136aa)
  const bytes = Uint8Array.from({ length: 10_007 }, (_, i) => (i * 31) & 0xff)
  assert.equal(crc32c(bytes, 0), slowCrc32c(bytes))
  const window = allocate(1 << 20)
  new Uint8Array(window).set(bytes)
  copy(window, 65_536, window, 0, bytes.length)
  assert.deepEqual(new Uint8Array(window, 65_536, bytes.length), bytes)
  assert.throws(() => allocate(-1), RangeError)
}

function slowCrc32c(bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

async function library(path) {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ id: i, name: `name ${i % 100}`, amount: i / 4 }))
  const first = await open(path)
  first.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', name: 'string', amount: 'number' } })
    for (const row of rows) tx.insert('t', row)
  })
  await first.save()
  first.write((tx) => tx.delete('t', 7))
  await first.close()
  const second = await open(path)
  assert.equal(second.table('t').get(7), undefined)
  assert.equal(second.table('t').get(8).amount, 2)
  assert.equal(second.table('t').find({ name: 'name 7' }).length, 49)
  assert.equal(second.queryJson({ from: 't', where: { amount: { $gte: 1000 } } }).count(), 1000)
  await second.close()
  await verify(path)
}
