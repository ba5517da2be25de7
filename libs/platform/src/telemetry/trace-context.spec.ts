import { expect, test } from 'vitest'
import { parseTraceparent, traceparentOf } from './trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'

test('a traceparent is read as W3C says, and written as it was', () => {
  const header = `00-${traceId}-${spanId}-01`
  expect(parseTraceparent(header)).toEqual({ traceId, spanId, isSampled: true })
  expect(traceparentOf(parseTraceparent(header)!)).toBe(header)
  expect(parseTraceparent(`00-${traceId}-${spanId}-02`)?.isSampled).toBe(false)
  expect(parseTraceparent(`cc-${traceId}-${spanId}-09-more`)).toEqual({ traceId, spanId, isSampled: true })
})

test.each([
  undefined,
  '',
  `ff-${traceId}-${spanId}-01`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
  `cc-${traceId}-${spanId}-01.more`,
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-1`,
  ` 00-${traceId}-${spanId}-01\n`,
])('%j is no traceparent', (header) => {
  expect(parseTraceparent(header)).toBeNull()
})
