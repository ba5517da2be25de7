import { aPlan } from '@apigate/testing'
import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import type { Refusal } from '../refusal.ts'
import { finish } from '../finish.ts'
import { reserveQuota } from './reserve-quota.ts'
import { takeRateToken } from './take-rate-token.ts'
import type { Gateway } from '../exchange.ts'
import type { PlanConfig } from '@apigate/core'

function exchangeOf(gateway: Gateway, plan: PlanConfig) {
  const exchange = anExchange(gateway)
  exchange.keySlot = 0
  exchange.keyId = 'key_1'
  exchange.owner = { kind: 'user', id: 'usr_1', status: 'active', planId: plan.id }
  exchange.plan = plan
  return exchange
}

test('over the quota is 402 and takes no token; over the rate is 429 with Retry-After and gives its unit back', () => {
  const gateway = aGateway([])
  const plan = aPlan({ rateLimitPerMinute: 6, burst: 1, requestsPerMonth: 1 })

  const first = exchangeOf(gateway, plan)
  expect(reserveQuota(first)).toBeNull()
  const second = exchangeOf(gateway, plan)
  expect(reserveQuota(second)).toMatchObject({ status: 402, code: 'quota_exceeded' })
  expect(second.token).toMatchObject({ remaining: 1 })
  finish(second, () => {})
  expect(takeRateToken(first)).toBeNull()
  finish(first, () => {})

  const third = exchangeOf(gateway, plan)
  expect(reserveQuota(third)).toBeNull()
  const verdict = takeRateToken(third)
  expect(verdict).toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
  expect((verdict as Refusal).headers.join()).toMatch(/,retry-after,(10|9)$/)
  finish(third, () => {})

  const fourth = exchangeOf(gateway, plan)
  expect(reserveQuota(fourth)).toBeNull()
  expect(fourth.quota!.count).toMatchObject({ used: 1 })
})

test('a request without an owner has no limits', () => {
  const exchange = anExchange(aGateway([]))
  expect(reserveQuota(exchange)).toBeNull()
  expect(takeRateToken(exchange)).toBeNull()
})

test('limits that must be asked for are waited for', async () => {
  const gateway = aGateway([])
  const local = gateway.limits
  const remote: Gateway = {
    ...gateway,
    limits: {
      ...local,
      reserve: (request) => Promise.resolve(local.reserve(request)),
      takeToken: (request) => Promise.resolve(local.takeToken(request)),
      settle: (reservation, units) => local.settle(reservation, units),
      bucketLevel: (request) => local.bucketLevel(request),
    },
  }
  const plan = aPlan({ rateLimitPerMinute: 1, burst: 1 })
  const exchange = exchangeOf(remote, plan)
  expect(await reserveQuota(exchange)).toBeNull()
  expect(await takeRateToken(exchange)).toBeNull()
  expect(await takeRateToken(exchange)).toMatchObject({ code: 'rate_limit_exceeded' })
})
