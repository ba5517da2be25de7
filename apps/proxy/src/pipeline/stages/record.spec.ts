import { usageBounds } from '@apigate/contracts'
import { aPlan } from '@apigate/testing'
import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo } from '../../../test/worker.fixture.ts'
import { matchRoute } from './match-route.ts'
import { record } from './record.ts'

const to = aRouteTo('http://up.example', { authRequired: false })

test('a public request is recorded without an owner, with the normalised path and no query', () => {
  const gateway = aGateway(to.items)
  const exchange = anExchange(gateway, { url: '/a/./b?secret=1' })
  matchRoute(exchange)
  Object.assign(exchange, { status: 200, units: 3, responseBytes: 7 })
  record(exchange, () => {})
  expect(gateway.events).toEqual([
    {
      created_at: new Date(exchange.receivedAtMs).toISOString(),
      user_id: null,
      group_id: null,
      api_key_id: null,
      plan_id: null,
      route_id: to.route.id,
      upstream_id: to.upstream.id,
      method: 'GET',
      path: '/a/b',
      status_code: 200,
      latency_ms: expect.any(Number) as number,
      request_bytes: 0,
      response_bytes: 7,
      metered_units: 3,
      error_code: null,
      metering_error: null,
      request_id: 'request-1',
      config_revision: 1,
      client_ip: '203.0.113.5',
    },
  ])
  expect(gateway.events[0]!.latency_ms).toBeLessThan(usageBounds.latencyMsMax)
})

test('the client’s address can be left out', () => {
  const gateway = { ...aGateway(to.items), recordClientIp: false }
  record(anExchange(gateway), () => {})
  expect(gateway.events[0]!.client_ip).toBeNull()
})

test('the trace that a client’s request belongs to is in its event, and nothing that is none', () => {
  const gateway = aGateway(to.items)
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  for (const traceparent of [`00-${traceId}-00f067aa0ba902b7-00`, `00-${traceId}-nonsense-00`]) {
    record(anExchange(gateway, { headers: { traceparent } }), () => {})
  }
  expect(gateway.events.map(({ trace_id }) => trace_id)).toEqual([traceId, undefined])
})

test('what is recorded behind the turn of a month counts in the month of its event', () => {
  const gateway = aGateway(to.items)
  const exchange = anExchange(gateway)
  const untilMs = Date.UTC(2026, 2, 31, 23, 59, 30)
  const plan = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 100 })
  const owner = { kind: 'user', id: 'usr_1', status: 'active', planId: plan.id } as const
  Object.assign(exchange, { owner, plan, keyId: 'key_1', status: 101, units: 12, quota: null })
  exchange.recorded = { units: 5, requestBytes: 0, responseBytes: 0, untilMs, untilMonotonicMs: 0 }
  record(exchange, () => {})
  expect(gateway.events[0]).toMatchObject({ created_at: '2026-03-31T23:59:30.000Z', metered_units: 7 })
  const usedAt = async (receivedAtMs: number): Promise<number> =>
    (await gateway.limits.reserve({ owner, plan, keyId: 'key_1', receivedAtMs })).count!.used
  return Promise.all([expect(usedAt(Date.UTC(2026, 3, 1))).resolves.toBe(1), expect(usedAt(untilMs)).resolves.toBe(8)])
})
