import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatLsn, parseLsn } from '../../src/mirror/lsn'

test('an LSN survives its text form', () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (lsn) => parseLsn(formatLsn(lsn)) === lsn))
  expect(parseLsn('16/B374D848')).toBe(0x16b374d848n)
  expect(formatLsn(0x16b374d848n)).toBe('16/B374D848')
})

test('what is no LSN is refused by name', () => {
  for (const text of ['', '16', '16/', '/1', '1/2/3', 'x/1', '123456789/0', '1/ 2']) {
    expect(() => parseLsn(text)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  }
})
