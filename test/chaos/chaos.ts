import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '@apigate/testing'
import { Clients, type Customer } from './clients.ts'
import type { Part } from './part.ts'
import { startChaosSystem, type ChaosSystem } from './system.ts'
import { judge, type Bound, type Verdict } from './verdict.ts'

export interface ChaosOptions {
  /** The same seed chooses the same parts in the same order. */
  seed: number
  kills: number
  /** What is broken on purpose, of `faults`. */
  fault?: string | null
  say: (line: string) => void
}

type CustomerName = 'busy' | 'free' | 'limited' | 'quota'

/** How often a part was killed and stopped. */
export type Hits = Record<string, { SIGKILL: number; SIGSTOP: number }>

interface Prepared {
  customers: Customer[]
  owners: Map<string, string>
}

const rate = { perMinute: 600, burst: 10 }
const quota = 400
const drainTimeoutMs = 90_000

/**
 * Drives load through three proxies while parts of the system are killed or stopped at random, lets it come to rest, and
 * compares what clients got with what the ledger has.
 */
export async function runChaos({ seed, kills, fault = null, say }: ChaosOptions): Promise<Verdict & { hits: Hits }> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-chaos-'))
  const logs = path.join(dir, 'logs')
  mkdirSync(logs)
  const upstream = await startUpstream()
  let system: ChaosSystem | null = null
  try {
    system = await startChaosSystem(dir, { fault })
    say(`started ${system.parts.map(({ name }) => name).join(', ')}`)
    const { customers, owners } = await prepare(system, upstream.url)
    const clients = new Clients(system.proxies.map(({ url }) => url))
    const startedAtMs = performance.now()
    clients.start(customers)
    const hits = await disturb(system, seed, kills, say)
    await clients.stop()
    const seconds = (performance.now() - startedAtMs) / 1_000
    say(`${clients.attempts.size} requests in ${seconds.toFixed(0)} s; waiting for the ledger`)
    await drain(system)
    const redisFaults = hits['redis']!.SIGKILL + hits['redis']!.SIGSTOP
    const bounds = boundsOf(owners, seconds, redisFaults)
    return { hits, ...(await judge(system.databaseUrl, clients.attempts, owners, bounds)) }
  } finally {
    await system?.stop()
    await upstream.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/**
 * What may be admitted. When Redis is lost or away, a bucket more may pass each time (docs/proxy.md), and of a quota what was
 * used in the second that Redis may have lost, until the ledger tells.
 */
export function boundsOf(owners: Map<string, string>, seconds: number, redisFaults: number): Bound[] {
  const ofRate = rate.burst * (1 + redisFaults) + (rate.perMinute / 60) * seconds
  const lost = 20
  return [
    { customer: 'limited', ownerId: owners.get('limited')!, kind: 'rate', allowed: Math.floor(ofRate) },
    { customer: 'quota', ownerId: owners.get('quota')!, kind: 'quota', allowed: quota + redisFaults * lost },
  ]
}

export async function prepare(
  system: ChaosSystem,
  upstreamUrl: string,
  rates: Record<CustomerName, number> = { busy: 100, free: 50, limited: 50, quota: 20 },
): Promise<Prepared> {
  const { data: upstream } = await system.admin('POST', '/api/upstreams', { name: 'up', base_url: upstreamUrl })
  const paths = ['/small', '/chunked']
  for (const pattern of paths) {
    await system.admin('POST', '/api/routes', {
      ...{ name: pattern, path_pattern: pattern, match_type: 'exact', upstream_id: upstream.id },
    })
  }
  const plans = {
    busy: { rate_limit_per_minute: 600_000 },
    free: { rate_limit_per_minute: 0 },
    limited: { rate_limit_per_minute: rate.perMinute, burst: rate.burst },
    quota: { rate_limit_per_minute: 0, requests_per_month: quota },
  }
  const owners = new Map<string, string>()
  const customers: Customer[] = []
  for (const [name, limits] of Object.entries(plans)) {
    const { data: plan } = await system.admin('POST', '/api/plans', { name, ...limits })
    const { data: user } = await system.admin('POST', '/api/users', { email: `${name}@example.com`, plan_id: plan.id })
    const { data: key } = await system.admin('POST', '/api/api-keys', { user_id: user.id })
    owners.set(name, user.id)
    customers.push({ name, key: key.meta.key, paths, ratePerSecond: rates[name as CustomerName] })
  }
  for (const { url } of system.proxies) {
    const last = customers.at(-1)!
    await waitFor(async () => (await fetch(`${url}/none`, { headers: { 'x-api-key': last.key } })).status === 404, {
      timeoutMs: 20_000,
      what: 'the configuration in every proxy',
    })
  }
  // A route answers 401 until the newest key is there.
  for (const { url } of system.proxies) {
    for (const { key } of customers) {
      await waitFor(async () => (await fetch(`${url}/small`, { headers: { 'x-api-key': key } })).status !== 401)
    }
  }
  return { customers, owners }
}

async function disturb(system: ChaosSystem, seed: number, kills: number, say: ChaosOptions['say']): Promise<Hits> {
  const random = mulberry32(seed)
  const hits: Hits = Object.fromEntries(system.parts.map(({ name }) => [name, { SIGKILL: 0, SIGSTOP: 0 }]))
  let round: Part[] = []
  await delay(kills === 0 ? 3_000 : 1_000)
  for (let n = 1; n <= kills; n++) {
    if (round.length === 0) round = roundOf(system.parts, random)
    const part = round.shift()!
    // Each is killed at least once.
    const signal = hits[part.name]!.SIGKILL === 0 || random() < 0.7 ? 'SIGKILL' : 'SIGSTOP'
    const awayMs = Math.round(200 + random() * 1_300)
    say(`${n}/${kills} ${signal} ${part.name} for ${awayMs} ms`)
    hits[part.name]![signal] += 1
    if (signal === 'SIGKILL') {
      await part.kill()
      await delay(awayMs)
      await part.start()
    } else {
      part.pause()
      await delay(awayMs)
      part.resume()
    }
    await delay(500 + random() * 500)
  }
  return hits
}

/** Every part once, in a random order, but one of each kind first: so a short run meets every kind, too. */
function roundOf(parts: readonly Part[], random: () => number): Part[] {
  const shuffled = parts.map((part) => ({ part, at: random() })).toSorted((a, b) => a.at - b.at)
  const kinds = new Set<string>()
  const [first, then]: Part[][] = [[], []]
  for (const { part } of shuffled) {
    const kind = part.name.replace(/-\d$/, '')
    ;(kinds.has(kind) ? then! : first!).push(part)
    kinds.add(kind)
  }
  return [...first!, ...then!]
}

/** Until no proxy has an event that the ledger has not acknowledged. */
export async function drain(system: ChaosSystem): Promise<void> {
  for (const { statusUrl } of system.proxies) {
    const pending = async (): Promise<number> => {
      const status = (await (await fetch(`${statusUrl}/status`)).json()) as { spoolEvents: number; inFlight: number }
      return status.spoolEvents + status.inFlight
    }
    await waitFor(async () => (await pending()) === 0, { timeoutMs: drainTimeoutMs, what: 'an empty spool' })
  }
}

async function startUpstream(): Promise<{ url: string; close: () => Promise<void> }> {
  const server = http.createServer((request, response) => {
    if (request.url === '/chunked') {
      response.write('first ')
      setImmediate(() => response.end('last'))
    } else response.end('small')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** A small generator of random numbers in [0, 1), so that a run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
