import { expect, test } from 'vitest'
import { ReadPace } from '../../src/mirror/read-pace'

test('small chunks are read at intervals, and those of a server that sends much as they come', () => {
  const pace = new ReadPace(20)
  for (let chunk = 0; chunk < 100; chunk++) expect(pace.pauseAfter(80)).toBe(20)
  while (pace.pauseAfter(4_096) > 0); // until an interval is over
  while (pace.pauseAfter(0) === 0); // and one without anything
  expect(pace.pauseAfter(80)).toBe(20)
})

test('without an interval there are no pauses', () => {
  expect(new ReadPace(0).pauseAfter(80)).toBe(0)
})
