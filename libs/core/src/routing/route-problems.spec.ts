import { describe, expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { HeaderCondition, RouteConfig } from '../model.ts'
import { routeProblems } from './compiled-route.ts'

const fields = (over: Partial<RouteConfig>): string[] => routeProblems(aRoute(over)).map(({ field }) => field)
const header = (condition: Partial<HeaderCondition>): Partial<RouteConfig> => ({
  headers: [
    { name: 'ok', match: 'present' },
    { name: 'x', match: 'exact', ...condition },
  ],
})

describe('routeProblems', () => {
  it('has none for a route that uses everything that works', () => {
    const route: Partial<RouteConfig> = {
      hostPattern: '*.example.com',
      hostMatch: 'wildcard',
      pathPattern: '/v1/{id}/(.*)',
      pathMatch: 'regex',
      methods: ['GET', 'M-SEARCH'],
      headers: [
        { name: 'x-a', match: 'regex', value: 'a+' },
        { name: 'x-b', match: 'absent' },
      ],
      pathRewrite: '/{id}/$2',
      methodOverride: 'POST',
      meteringMode: 'custom',
      meteringExpr: 'messagesIn + messagesOut',
      protocol: 'websocket',
      requestTransform: { headers: { set: { 'X-Item': '${param.id}' } } },
      responseTransform: { headers: { remove: ['Server'] } },
    }
    expect(fields(route)).toEqual([])
  })

  it.each([
    ['', 'prefix'],
    ['api', 'prefix'],
    ['*', 'prefix'],
    ['/a/*/b', 'prefix'],
    ['/a**', 'prefix'],
    ['/a?b', 'prefix'],
    ['/a#b', 'exact'],
    ['/a/../b', 'exact'],
    ['/a/%2e%2e/b', 'prefix'],
    ['/a/{x}/{x}', 'exact'],
    ['/a/{x}.json', 'exact'],
    ['/a/{}', 'exact'],
    ['/a/{1}', 'exact'],
    ['/a b', 'exact'],
    ['/a\\b', 'exact'],
    ['/a%', 'exact'],
    ['/a\0', 'exact'],
    ['/\ud800', 'exact'],
    [`/${'a'.repeat(2048)}`, 'exact'],
    ['/(', 'regex'],
    ['/(?=a)', 'regex'],
    ['/(?<!a)b', 'regex'],
    ['/(a)\\1', 'regex'],
    ['/{x}/{x}', 'regex'],
    ['/(?:.{100}){20}', 'regex'],
  ] as const)('refuses the path pattern %j (%s)', (pathPattern, pathMatch) => {
    expect(fields({ pathPattern, pathMatch })).toEqual(['path_pattern'])
  })

  it.each([
    ['', 'exact'],
    ['*', 'exact'],
    ['*.example.com', 'exact'],
    ['a b', 'exact'],
    ['a/b', 'exact'],
    ['bücher.example', 'exact'],
    ['a..b', 'exact'],
    ['example.com', 'wildcard'],
    ['*', 'wildcard'],
    ['*.', 'wildcard'],
    ['*.*.com', 'wildcard'],
    ['a.*.com', 'wildcard'],
    ['[', 'regex'],
    ['a', 'any'],
  ] as const)('refuses the host pattern %j (%s)', (hostPattern, hostMatch) => {
    expect(fields({ hostPattern, hostMatch })).toEqual(['host_pattern'])
  })

  it.each(['get', 'GE T', '', 'GET\n'])('refuses the method %j and says which of them', (method) => {
    expect(fields({ methods: ['GET', method] })).toEqual(['methods/1'])
  })

  it.each([
    [{ name: 'X-A', value: '1' }, 'headers/1/name'],
    [{ name: '', value: '1' }, 'headers/1/name'],
    [{ name: 'a b', value: '1' }, 'headers/1/name'],
    [{}, 'headers/1/value'],
    [{ match: 'prefix' }, 'headers/1/value'],
    [{ match: 'regex', value: '(' }, 'headers/1/value'],
    [{ match: 'present', value: '1' }, 'headers/1/value'],
    [{ match: 'exact', value: 'a'.repeat(2049) }, 'headers/1/value'],
  ] as const)('refuses the header condition %j and says which part of which', (condition, field) => {
    expect(fields(header(condition))).toEqual([field])
  })

  it('refuses more header conditions than a request could reasonably have', () => {
    const headers = Array.from({ length: 33 }, (_, i): HeaderCondition => ({ name: `h${i}`, match: 'present' }))
    expect(fields({ headers })).toEqual(['headers'])
  })

  it.each(['CONNECT', 'post', ''])('refuses the method override %j', (methodOverride) => {
    expect(fields({ methodOverride })).toEqual(['method_override'])
  })

  it.each([
    [{ requestTransform: { headers: { set: { Host: 'x' } } } }, 'request_transform/headers/set/Host'],
    [{ requestTransform: { headers: { set: { 'a/b': 'x' } } } }, 'request_transform/headers/set/a~1b'],
    [{ requestTransform: 'x' }, 'request_transform'],
    [{ requestTransform: { headers: { set: { 'X-A': '${param.none}' } } } }, 'request_transform/headers/set/X-A'],
    [{ responseTransform: { query: {} } }, 'response_transform/query'],
    [{ responseTransform: { body: { wrap: 'a' } }, protocol: 'sse' }, 'response_transform/body'],
    [{ meteringMode: 'response_field' }, 'metering_expr'],
    [{ meteringMode: 'custom', meteringExpr: 'nope' }, 'metering_expr'],
    [{ meteringExpr: 'responseBytes' }, 'metering_expr'],
  ] as const)('says where %j is wrong', (over, field) => {
    expect(fields(over)).toEqual([field])
  })

  it('lists every problem at once', () => {
    expect(
      fields({ pathPattern: 'x', hostMatch: 'exact', methods: ['get'], methodOverride: 'x', meteringExpr: '1' }),
    ).toEqual(['host_pattern', 'path_pattern', 'methods/0', 'method_override', 'metering_expr'])
  })
})
