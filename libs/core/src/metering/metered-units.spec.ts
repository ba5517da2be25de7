import { expect, it } from 'vitest'
import { meteredUnits } from './metered-units.ts'

it('a request is one unit, bytes are those of both bodies', () => {
  expect(meteredUnits('request', { requestBytes: 10, responseBytes: 20 })).toBe(1)
  expect(meteredUnits('bytes', { requestBytes: 10, responseBytes: 20 })).toBe(30)
  expect(meteredUnits('bytes', { requestBytes: 0, responseBytes: 0 })).toBe(0)
})
