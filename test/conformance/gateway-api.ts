import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { RunningSystem } from '../e2e/system.ts'
import { putRoutes, RefusedRoute, type WantedRoute } from './routes.ts'
import { notApplicable, verdict, type Verdict } from './verdict.ts'

export interface GatewayRoute {
  hosts: string[]
  path_type: 'exact' | 'prefix' | 'regex'
  path: string
  method: string | null
  headers: { name: string; type: string; value: string }[]
  backend: string | null
  timeouts: { request?: string; backendRequest?: string } | null
  rewrite: { path?: { type: string; replacePrefixMatch?: string; replaceFullPath?: string } } | null
  request_headers: HeaderChanges | null
  response_headers: HeaderChanges | null
  rank: number
}

interface HeaderChanges {
  set?: { name: string; value: string }[]
  add?: { name: string; value: string }[]
  remove?: string[]
}

export interface GatewayCase {
  id: string
  set: string
  needs: string[]
  request: { method: string; path: string; host?: string; headers: Record<string, string> }
  /** What the backend is to answer with. */
  echo_response_headers?: Record<string, string>
  expect: {
    status: number[]
    backend?: string
    upstream?: { path?: string; headers?: Record<string, string>; absent_headers?: string[] }
    response_headers?: Record<string, string>
    absent_response_headers?: string[]
  }
}

/** What routes here have no word for, by what a case says it needs. */
const rules: Record<string, string> = {
  query: 'routes do not match by query parameters',
  redirect: 'routes do not redirect',
  cors: 'routes do not answer CORS preflights',
  'rewrite-host': 'the upstream is asked by its own host',
}
const noBackend = 'a route cannot be without an upstream'
const manyLabels = 'a wildcard stands for one label'

/** Plays each set of routes by itself: routes of two sets would catch each other's requests. */
export async function runGatewayApi(
  system: RunningSystem,
  sets: Record<string, { routes: GatewayRoute[] }>,
  cases: readonly GatewayCase[],
): Promise<Verdict[]> {
  const backends = new Backends()
  const verdicts: Verdict[] = []
  try {
    for (const [name, { routes }] of Object.entries(sets)) {
      const applicable: GatewayCase[] = []
      for (const one of cases.filter(({ set }) => set === name)) {
        const rule = ruleAgainst(one, routes)
        if (rule === null) applicable.push(one)
        else verdicts.push(notApplicable(one.id, rule))
      }
      if (applicable.length > 0) verdicts.push(...(await runSet(system, backends, routes, applicable)))
    }
    const unknown = cases.filter(({ set }) => !(set in sets))
    return [...verdicts, ...unknown.map(({ id, set }) => verdict(id, `there is no set ${set}`))]
  } finally {
    await backends.close()
  }
}

function ruleAgainst({ needs, request, expect }: GatewayCase, routes: readonly GatewayRoute[]): string | null {
  const needed = needs.find((need) => need in rules)
  if (needed !== undefined) return rules[needed]!
  if (needs.includes('no-upstream-route') && expect.status.includes(500)) return noBackend
  const host = (request.host ?? '').replace(/:\d+$/, '')
  const wildcards = routes.flatMap(({ hosts }) => hosts.filter((pattern) => pattern.startsWith('*.')))
  const isDeep = (pattern: string): boolean =>
    host.endsWith(pattern.slice(1)) && host.slice(0, 1 - pattern.length).includes('.')
  return wildcards.some(isDeep) && !expect.status.includes(404) ? manyLabels : null
}

async function runSet(
  system: RunningSystem,
  backends: Backends,
  routes: readonly GatewayRoute[],
  cases: readonly GatewayCase[],
): Promise<Verdict[]> {
  const wanted: WantedRoute[] = []
  for (const route of routes) {
    if (route.backend === null) continue
    const url = await backends.url(route.backend)
    for (const host of route.hosts) wanted.push(wantedRoute(route, host, url))
  }
  try {
    const put = await putRoutes(system, wanted)
    const verdicts: Verdict[] = []
    for (const one of cases) verdicts.push(verdict(one.id, await play(system, backends, one)))
    await put.remove()
    return verdicts
  } catch (error) {
    if (!(error instanceof RefusedRoute)) throw error
    return cases.map(({ id }) => verdict(id, error.message))
  }
}

function wantedRoute(route: GatewayRoute, host: string, url: string): WantedRoute {
  const timeout = route.timeouts?.backendRequest ?? route.timeouts?.request
  const timeoutMs = timeout === undefined ? 0 : Number.parseFloat(timeout) * (timeout.endsWith('ms') ? 1 : 1_000)
  const isPrefixRewrite = route.rewrite?.path?.type === 'ReplacePrefixMatch'
  const target = isPrefixRewrite ? route.rewrite?.path?.replacePrefixMatch : route.rewrite?.path?.replaceFullPath
  return {
    upstream: { base_url: url, ...(timeoutMs > 0 ? { timeout_ms: timeoutMs } : {}) },
    path_pattern: route.path,
    match_type: route.path_type,
    ...(host === '*' ? {} : { host_pattern: host }),
    ...(route.method === null ? {} : { methods: [route.method] }),
    headers: route.headers.map(({ name, type, value }) => ({ name, value, match: type })),
    ...(target === undefined ? {} : { path_rewrite: isPrefixRewrite ? `${target.replace(/\/$/, '')}/$1` : target }),
    ...(route.request_headers === null ? {} : { request_transform: { headers: changes(route.request_headers) } }),
    ...(route.response_headers === null ? {} : { response_transform: { headers: changes(route.response_headers) } }),
    priority: 1_000 - route.rank,
  }
}

function changes({ set = [], add = [], remove = [] }: HeaderChanges): object {
  return { set: byName(set), add: byName(add), remove }
}

function byName(entries: { name: string; value: string }[]): object {
  return Object.fromEntries(entries.map(({ name, value }) => [name, value]))
}

async function play(system: RunningSystem, backends: Backends, one: GatewayCase): Promise<string | null> {
  const { method, path, host, headers } = one.request
  backends.seen = null
  backends.answerHeaders = one.echo_response_headers ?? {}
  const { port } = new URL(system.proxyUrl)
  const options = {
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: { host: host ?? 'gw.test', ...headers },
  }
  const answer = await new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
    const sent = request(options, (response) => {
      text(response).then(() => resolve({ status: response.statusCode!, headers: response.headers }), reject)
    })
    sent.on('error', reject)
    sent.end()
  })
  const { expect } = one
  const seen = backends.seen as Seen | null
  if (!expect.status.includes(answer.status)) return `status ${answer.status}, not ${expect.status.join(' or ')}`
  if (expect.backend !== undefined && seen?.backend !== expect.backend) return `it went to ${seen?.backend}`
  if (expect.upstream?.path !== undefined && seen?.url !== expect.upstream.path) return `the upstream saw ${seen?.url}`
  return (
    headersProblem(
      'the upstream saw',
      seen?.headers ?? {},
      expect.upstream?.headers,
      expect.upstream?.absent_headers,
    ) ?? headersProblem('the answer has', answer.headers, expect.response_headers, expect.absent_response_headers)
  )
}

function plain(value: unknown): string {
  return String(value).replaceAll(/\s*,\s*/g, ',')
}

function headersProblem(
  what: string,
  headers: IncomingHttpHeaders,
  wanted: Record<string, string> = {},
  unwanted: readonly string[] = [],
): string | null {
  for (const [name, value] of Object.entries(wanted)) {
    const found = headers[name.toLowerCase()]
    if (plain(found) !== plain(value)) return `${what} ${name}: ${String(found)}`
  }
  const present = unwanted.find((name) => headers[name.toLowerCase()] !== undefined)
  return present === undefined ? null : `${what} ${present}`
}

interface Seen {
  backend: string
  url: string
  headers: IncomingHttpHeaders
}

/** One server for each backend's name; `?delay=1s` makes it wait. */
class Backends {
  seen: Seen | null = null
  answerHeaders: Record<string, string> = {}
  readonly #servers = new Map<string, Server>()

  async url(backend: string): Promise<string> {
    let server = this.#servers.get(backend)
    if (server === undefined) {
      server = createServer((incoming, response) => {
        const { url = '', headers } = incoming
        this.seen = { backend, url, headers }
        response.writeHead(200, this.answerHeaders)
        setTimeout(() => response.end(backend), Number(/delay=(\d+)s/.exec(url)?.[1] ?? 0) * 1_000)
      })
      this.#servers.set(backend, server)
      await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    }
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
