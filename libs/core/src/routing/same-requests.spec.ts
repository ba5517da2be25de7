import { expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { RouteConfig } from '../model.ts'
import { sameRequests } from './same-requests.ts'

type Pair = [Partial<RouteConfig>, Partial<RouteConfig>]

it.each<Pair>([
  [{}, { id: 'rte_b', name: 'b', createdAtMs: 9, upstreamId: 'ups_b', authRequired: false }],
  [{ pathPattern: '/a' }, { pathPattern: '/a/*' }],
  [{ pathPattern: '/a/{x}' }, { pathPattern: '/a/{y}/' }],
  [{ pathPattern: '/%7ea' }, { pathPattern: '/~a' }],
  [{ methods: ['GET', 'POST'] }, { methods: ['POST', 'GET', 'GET'] }],
  [
    {
      headers: [
        { name: 'a', match: 'present' },
        { name: 'b', match: 'exact', value: '1' },
      ],
    },
    {
      headers: [
        { name: 'b', match: 'exact', value: '1' },
        { name: 'a', match: 'present' },
      ],
    },
  ],
  [
    { hostPattern: 'A.example.com', hostMatch: 'exact' },
    { hostPattern: 'a.example.com.', hostMatch: 'exact' },
  ],
])('%j and %j match the same requests', (a, b) => {
  expect(sameRequests(aRoute(a), aRoute(b))).toBe(true)
})

it.each<Pair>([
  [{}, { enabled: false }],
  [{}, { priority: 1 }],
  [{ pathPattern: '/a' }, { pathPattern: '/a*' }],
  [{ pathPattern: '/a' }, { pathPattern: '/a', pathMatch: 'exact' }],
  [{ pathPattern: '/a' }, { pathPattern: '/{a}' }],
  [{ methods: [] }, { methods: ['GET'] }],
  [{ headers: [{ name: 'a', match: 'exact', value: '1' }] }, { headers: [{ name: 'a', match: 'prefix', value: '1' }] }],
  [{ headers: [{ name: 'a', match: 'present' }] }, { headers: [{ name: 'a', match: 'absent' }] }],
  [{}, { hostPattern: 'a.b', hostMatch: 'exact' }],
  [
    { hostPattern: 'a.b', hostMatch: 'exact' },
    { hostPattern: 'a.b', hostMatch: 'regex' },
  ],
])('%j and %j do not', (a, b) => {
  expect(sameRequests(aRoute(a), aRoute(b))).toBe(false)
})
