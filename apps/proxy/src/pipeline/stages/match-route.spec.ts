import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aRouteTo } from '../../../test/worker.fixture.ts'
import { matchRoute } from './match-route.ts'

const first = aRouteTo('http://one.example', { pathPattern: '/a/*', headers: [{ name: 'x-tag', match: 'present' }] })
const second = aRouteTo('http://two.example', { pathPattern: '/a/*', hostPattern: '*.example', hostMatch: 'wildcard' })
const gateway = aGateway([...first.items, ...second.items])

test('finds the route by host, path, method and headers, and its upstream', () => {
  const exchange = anExchange(gateway, { url: '/a/%62/./c?x=%7e' })
  expect(matchRoute(exchange)).toBeNull()
  expect(exchange).toMatchObject({ path: '/a/b/c', query: '?x=%7e', host: 'api.example' })
  expect(exchange.route).toBe(second.route)
  expect(exchange.upstream!.config).toBe(second.upstream)

  const elsewhere = anExchange(gateway, { url: '/a/x', headers: { host: 'other.test:8000', 'x-tag': '1' } })
  expect(matchRoute(elsewhere)).toBeNull()
  expect(elsewhere.route).toBe(first.route)
})

test('a header condition does not mistake what every object has for a header', () => {
  const to = aRouteTo('http://one.example', { headers: [{ name: 'constructor', match: 'present' }] })
  expect(matchRoute(anExchange(aGateway(to.items)))).toMatchObject({ code: 'route_not_found' })
})

test('the authority of an absolute target counts', () => {
  const exchange = anExchange(gateway, { url: 'http://x.example/a/b', headers: { host: 'other.test' } })
  expect(matchRoute(exchange)).toBeNull()
  expect(exchange).toMatchObject({ authority: 'x.example', path: '/a/b' })
})

test.each([
  ['no tables', aGateway(null), {}, 'not_ready'],
  ['no route', gateway, { url: '/b' }, 'route_not_found'],
  ['a bad target', gateway, { url: '/a/%zz' }, 'bad_request'],
  ['a bad host', gateway, { headers: { host: 'a b' } }, 'bad_request'],
  ['an upgrade where none is taken', gateway, { url: '/a/b', upgradeHead: Buffer.alloc(0) }, 'bad_request'],
])('refuses with %s', (_name, given, request, code) => {
  expect(matchRoute(anExchange(given, request))).toMatchObject({ code })
})
