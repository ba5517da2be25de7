import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '@apigate/testing'
import pg from 'pg'
import { startChaosSystem, type ChaosSystem } from '../chaos/system.ts'
import { judge } from '../chaos/verdict.ts'
import { MixedClients } from './clients.ts'
import { makeCertificate, startUpstreams, type Upstreams } from './upstreams.ts'
import { badLines, ProcessWatch, socketsOf } from './watch.ts'

const perSecond = 150
const idleConnTimeoutMs = 1_000

interface Prepared {
  key: string
  userId: string
  routeIds: string[]
  upstreamId: string
}

/**
 * Minutes of mixed load on a whole system (three proxies) while its configuration changes: whole and broken-off answers, slow
 * readers, clients that go away, upstreams that reset, retries, WebSockets, TLS. At the end every answer must be in the ledger once, no
 * memory may have grown since the first third, no socket may be left, and no log may speak of an error.
 *
 * @returns what is wrong, a line each.
 */
export async function runSoak(minutes: number, say: (line: string) => void): Promise<string[]> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-soak-'))
  process.env['NODE_EXTRA_CA_CERTS'] = makeCertificate(dir)
  const upstreams = await startUpstreams(dir)
  let system: ChaosSystem | null = null
  try {
    system = await startChaosSystem(dir)
    const { proxies } = system
    const prepared = await prepare(system, upstreams)
    const pids = system.parts.filter(({ name }) => name.startsWith('proxy')).map((part) => part.pid!)
    const socketsBefore = pids.map(socketsOf)
    const watch = new ProcessWatch()
    const looking = setInterval(() => {
      for (const [n, { statusUrl }] of proxies.entries()) void watch.look(`proxy-${n + 1}`, statusUrl).catch(() => {})
    }, 1_000)
    const changing = new AbortController()
    const changes = change(system, prepared, changing.signal)
    const clients = new MixedClients(
      proxies.map(({ url }) => url),
      prepared.key,
    )
    await clients.run(minutes * 60, perSecond)
    changing.abort()
    clearInterval(looking)
    say(`${clients.attempts.size} requests, ${await changes} changes of the configuration; waiting for the ledger`)
    for (const { statusUrl } of proxies) await waitFor(() => isAtRest(statusUrl), { timeoutMs: 90_000, what: 'rest' })

    const { rows, differences } = await judge(
      system.databaseUrl,
      clients.attempts,
      new Map([['soak', prepared.userId]]),
      [],
    )
    for (const { path: route, answers, unanswered, events } of rows) {
      say(`${route}: ${answers} answers, ${unanswered} without one, ${events} events`)
    }
    const unrecorded = await missing(system.databaseUrl, clients.sent)
    if (unrecorded > 0) differences.push(`${unrecorded} requests were sent and are not in the ledger`)
    const memory = watch.verdict()
    memory.lines.forEach(say)
    const problems = [...differences, ...memory.problems]
    for (const [n, pid] of pids.entries()) {
      const left = await socketsLeft(pid, socketsBefore[n]!)
      if (left > 0) problems.push(`proxy-${n + 1}: ${left} sockets are left`)
      problems.push(...badLines(path.join(dir, `proxy-${n + 1}.log`)).map((line) => `proxy-${n + 1}: ${line}`))
    }
    return problems
  } finally {
    await system?.stop()
    upstreams.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function prepare(system: ChaosSystem, { plain, broken, tls }: Upstreams): Promise<Prepared> {
  const upstream = async (name: string, attributes: object): Promise<string> =>
    (await system.admin('POST', '/api/upstreams', { name, idle_conn_timeout_ms: idleConnTimeoutMs, ...attributes }))
      .data.id
  const usual = await upstream('usual', { base_url: plain })
  const retried = await upstream('retried', {
    base_url: plain,
    retries: 2,
    targets: [
      { url: plain, weight: 3 },
      { url: broken, weight: 1 },
    ],
  })
  const secure = await upstream('secure', { base_url: tls })
  const routeIds: string[] = []
  const route = async (pattern: string, upstreamId: string, more: object = {}): Promise<void> => {
    const attributes = { name: pattern, path_pattern: pattern, match_type: 'exact', upstream_id: upstreamId, ...more }
    routeIds.push((await system.admin('POST', '/api/routes', attributes)).data.id)
  }
  for (const pattern of ['/small', '/chunked', '/large', '/slow', '/reset']) await route(pattern, usual)
  await route('/retried', retried)
  await route('/tls', secure)
  await route('/websocket', usual, { protocol: 'websocket' })
  const { data: plan } = await system.admin('POST', '/api/plans', {
    ...{ name: 'soak', rate_limit_per_minute: 6_000_000, requests_per_month: 100_000_000 },
  })
  const { data: user } = await system.admin('POST', '/api/users', { email: 'soak@example.com', plan_id: plan.id })
  const { data: key } = await system.admin('POST', '/api/api-keys', { user_id: user.id })
  for (const { url } of system.proxies) {
    const isThere = async (): Promise<boolean> =>
      (await fetch(`${url}/tls`, { headers: { 'x-api-key': key.meta.key } })).status === 200
    await waitFor(isThere, { timeoutMs: 20_000, what: 'the configuration in every proxy' })
  }
  return { key: key.meta.key, userId: user.id, routeIds, upstreamId: usual }
}

/** Routes, an upstream and keys, twice a second. @returns how many changes it were. */
async function change(system: ChaosSystem, prepared: Prepared, signal: AbortSignal): Promise<number> {
  const { routeIds, upstreamId, userId } = prepared
  let n = 0
  for (; !signal.aborted; n++) {
    if (n % 3 === 0) await system.admin('PATCH', `/api/routes/${routeIds[n % routeIds.length]}`, { priority: n % 7 })
    else if (n % 3 === 1)
      await system.admin('PATCH', `/api/upstreams/${upstreamId}`, { timeout_ms: 20_000 + (n % 100) })
    else {
      const { data } = await system.admin('POST', '/api/api-keys', { user_id: userId })
      await system.admin('PATCH', `/api/api-keys/${data.id}`, { name: `soak ${n}` })
    }
    await delay(500, undefined, { signal }).catch(() => {})
  }
  return n
}

async function isAtRest(statusUrl: string): Promise<boolean> {
  const status = (await (await fetch(`${statusUrl}/status`)).json()) as { spoolEvents: number; inFlight: number }
  return status.spoolEvents + status.inFlight === 0
}

/** How many of these requests have no event. */
async function missing(databaseUrl: string, sent: ReadonlySet<string>): Promise<number> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const { rows } = await client.query<{ request_id: string }>(
      `SELECT request_id FROM usage_events WHERE request_id LIKE 'chaos-soak-%'`,
    )
    const known = new Set(rows.map((row) => row.request_id))
    return [...sent].filter((id) => !known.has(id)).length
  } finally {
    await client.end()
  }
}

/** Beyond what it had before the load: idle connections to upstreams end by their time. */
async function socketsLeft(pid: number, before: number): Promise<number> {
  const left = (): number => Math.max(0, socketsOf(pid) - before - 2)
  await waitFor(() => left() === 0, { timeoutMs: 20_000, what: 'closed sockets' }).catch(() => {})
  return left()
}
