import type { RouteConfig } from '../src/model.ts'

/** A route of any host, path and method; name what the test is about. */
export function aRoute(over: Partial<RouteConfig> = {}): RouteConfig {
  return {
    id: 'rte_a',
    name: 'a route',
    hostPattern: '',
    hostMatch: 'any',
    pathPattern: '/',
    pathMatch: 'prefix',
    methods: [],
    headers: [],
    pathRewrite: null,
    methodOverride: null,
    meteringMode: 'request',
    meteringExpr: null,
    protocol: 'http',
    priority: 0,
    authRequired: true,
    enabled: true,
    upstreamId: 'ups_a',
    requestTransform: null,
    responseTransform: null,
    createdAtMs: 0,
    ...over,
  }
}
