import { aGroup, aKey, aPlan, aUser } from '@apigate/testing'
import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo, put } from '../../../test/worker.fixture.ts'
import { authenticate } from './authenticate.ts'
import { checkOwner } from './check-owner.ts'
import { matchRoute } from './match-route.ts'

const plan = aPlan()
const route = aRouteTo('http://one.example').items

function checked(owner: 'user' | 'group', status: 'active' | 'suspended', planId = plan.id) {
  const who = owner === 'user' ? aUser({ planId, status }) : aGroup({ planId, status })
  const key = aKey(owner === 'user' ? { userId: who.id } : { groupId: who.id })
  const gateway = aGateway([put('plan', plan), put(owner, who), put('key', key.config), ...route])
  const exchange = anExchange(gateway, { headers: { 'x-api-key': key.clear } })
  matchRoute(exchange)
  authenticate(exchange)
  return { exchange, verdict: checkOwner(exchange) }
}

test.each(['user', 'group'] as const)('lets an active %s pass, with its plan', (kind) => {
  const { exchange, verdict } = checked(kind, 'active')
  expect(verdict).toBeNull()
  expect(exchange.plan).toBe(plan)
})

test('refuses who is not active, and who has no plan', () => {
  expect(checked('user', 'suspended').verdict).toMatchObject({ status: 403, code: 'user_suspended' })
  expect(checked('group', 'suspended').verdict).toMatchObject({ status: 403, code: 'group_suspended' })
  expect(checked('user', 'active', 'plan_gone').verdict).toMatchObject({ status: 403, code: 'forbidden' })
})

test('a key whose owner is gone is good for nothing', () => {
  const { exchange } = checked('user', 'active')
  exchange.tables!.owners.delete(exchange.owner!.id)
  const next = anExchange(exchange.gateway, { headers: exchange.request.headers as Record<string, string> })
  matchRoute(next)
  authenticate(next)
  expect(checkOwner(next)).toMatchObject({ status: 401, code: 'invalid_api_key' })
})

test('a public request has no owner to check', () => {
  expect(checkOwner(anExchange(aGateway(route)))).toBeNull()
})
