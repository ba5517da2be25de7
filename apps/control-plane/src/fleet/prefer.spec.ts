import { expect, test } from 'vitest'
import { waitPreference } from './prefer.ts'

test.each([
  [undefined, null],
  ['', null],
  ['wait=5', 5],
  ['respond-async, wait=5', 5],
  ['Wait = "7"; foo=bar', 7],
  ['wait=1, wait=2', 1],
  ['wait=0', 0],
  ['wait=86400', 60],
  ['wait=-1', null],
  ['wait=1.5', null],
  ['wait=99999999999999999999', null],
  ['wait', null],
  ['await=5', null],
  [['return=minimal', 'wait=3'], 3],
])('Prefer %j asks to wait %j seconds', (prefer, seconds) => {
  expect(waitPreference(prefer)).toBe(seconds)
})
