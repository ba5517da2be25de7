import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo } from '../../../test/worker.fixture.ts'
import { matchRoute } from './match-route.ts'
import { rewrite } from './rewrite.ts'

function rewritten(route: Parameters<typeof aRouteTo>[1], url: string) {
  const exchange = anExchange(aGateway(aRouteTo('http://up.example/base/', route).items), { url })
  matchRoute(exchange)
  return { exchange, verdict: rewrite(exchange) }
}

test('joins the path with that of the upstream and keeps the query byte for byte', () => {
  const { exchange } = rewritten({}, '/a//b/?q=%7e&q')
  expect(exchange.upstreamPath).toBe('/base/a//b/?q=%7e&q')
  expect(exchange.upstreamMethod).toBe('GET')
})

test('applies path_rewrite and method_override', () => {
  const { exchange } = rewritten(
    { pathPattern: '/v1/{name}/*', pathRewrite: '/${name}/x/$1', methodOverride: 'POST' },
    '/v1/shop/items?q',
  )
  expect(exchange.upstreamPath).toBe('/base/shop/x/items?q')
  expect(exchange.upstreamMethod).toBe('POST')
  expect(exchange.method).toBe('GET')
})

test('a rewrite that would climb out of the upstream’s path is refused', () => {
  const { verdict } = rewritten({ pathPattern: '/v1/*', pathRewrite: '/x/.$1' }, '/v1/./y')
  expect(verdict).toBeNull()
  expect(rewritten({ pathPattern: '/v1-*', pathRewrite: '/x/.$1' }, '/v1-.').verdict).toMatchObject({
    code: 'bad_request',
  })
})
