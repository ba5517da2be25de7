import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo } from '../../../test/worker.fixture.ts'
import { matchRoute } from './match-route.ts'
import { transformRequest } from './transform-request.ts'
import { AnswerFields } from '../../upstream/http1/answer.fields.ts'
import { transformResponse } from './transform-response.ts'

const headers = { 'content-type': 'application/json', 'content-length': '2' }

function anExchangeOf(requestTransform: unknown) {
  const exchange = anExchange(aGateway(aRouteTo('http://up.example', { requestTransform }).items), { headers })
  matchRoute(exchange)
  return exchange
}

test('a route without transforms goes on at once, and makes nothing', () => {
  for (const transform of [null, {}, { headers: { set: {} }, conditions: [] }]) {
    const exchange = anExchangeOf(transform)
    expect(transformRequest(exchange)).toBeNull()
    expect(transformResponse(exchange, 200, AnswerFields.of(headers))).toBeNull()
    expect(exchange).toMatchObject({ variables: null, requestChanges: null, upstreamQuery: null, sentBody: null })
  }
})

test('waits for a body only where one is changed', () => {
  expect(transformRequest(anExchangeOf({ headers: { set: { 'X-A': '1' } }, query: { set: { a: '1' } } }))).toBeNull()
  const never = { when: { method: 'DELETE' }, body: { set: { a: 1 } } }
  expect(transformRequest(anExchangeOf({ conditions: [never] }))).toBeNull()
})
