import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo } from '../../../test/worker.fixture.ts'
import { matchRoute } from './match-route.ts'
import { meter } from './meter.ts'

function metered(meteringMode: 'request' | 'bytes', over: object) {
  const exchange = anExchange(aGateway(aRouteTo('http://up.example', { meteringMode }).items))
  matchRoute(exchange)
  Object.assign(exchange, { isForwarded: true, requestBytes: 10, responseBytes: 32 }, over)
  meter(exchange)
  return exchange.units
}

test('what the upstream answered is metered, also when it broke off', () => {
  expect(metered('request', { status: 200 })).toBe(1)
  expect(metered('bytes', { status: 500 })).toBe(42)
  expect(metered('bytes', { status: 200, errorCode: 'upstream_error' })).toBe(42)
})

test('what the gateway answered costs nothing', () => {
  expect(metered('bytes', { isOwnAnswer: true, status: 502 })).toBe(0)
  expect(metered('request', { isForwarded: false, status: 499 })).toBe(0)
})
