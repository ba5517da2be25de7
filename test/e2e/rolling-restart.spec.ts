import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { boundsOf, drain, prepare } from '../chaos/chaos.ts'
import { Clients, type Customer } from '../chaos/clients.ts'
import type { Part } from '../chaos/part.ts'
import { startChaosSystem, type ChaosSystem } from '../chaos/system.ts'
import { judge } from '../chaos/verdict.ts'
import { Balancer } from './balancer.ts'

const sockets = 6
const quota = 400

let dir: string
let system: ChaosSystem
let upstream: FakeUpstream
let customers: Customer[]
let owners: Map<string, string>
/** Lets go of the answers on `/slow` that wait. */
let releases: (() => void)[] = []

beforeAll(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-rolling-'))
  upstream = await startFakeUpstream()
  upstream.handle((request, response) => {
    if (request.url !== '/slow') return response.end('small')
    response.write('first ')
    return releases.push(() => response.end('last'))
  })
  system = await startChaosSystem(dir, { drainSeconds: 1 })
  const rates = { busy: 40, free: 20, limited: 30, quota: 40 }
  ;({ customers, owners } = await prepare(system, upstream.url, rates))
  const { data: plans } = await system.admin('GET', '/api/plans?filter[name]=busy')
  await system.admin('PATCH', `/api/plans/${plans[0].id}`, { requests_per_month: 1_000_000 })
  const { data } = await system.admin('GET', '/api/upstreams')
  for (const [name, protocol] of [
    ['/slow', 'http_stream'],
    ['/ws', 'websocket'],
  ]) {
    const route = { name, path_pattern: name, match_type: 'exact', protocol, upstream_id: data[0].id }
    await system.admin('POST', '/api/routes', { ...route, auth_required: false })
  }
  for (const { url } of system.proxies) {
    await waitFor(async () => (await fetch(`${url}/ws`)).status !== 404)
  }
})
afterAll(async () => {
  await system?.stop()
  await upstream?.close()
  rmSync(dir, { recursive: true, force: true })
})

test('every process is restarted in turn under load: no request fails, no usage is lost, nothing leased leaks', async () => {
  const traffic = new Balancer(system.proxies.map(({ url, statusUrl }) => ({ url, readyUrl: `${statusUrl}/readyz` })))
  const admin = new Balancer(system.adminUrls.map((url) => ({ url, readyUrl: `${url}/readyz` })))
  const trafficUrl = await traffic.start()
  const clients = new Clients([trafficUrl])
  const admins = new Admins(await admin.start(), system.adminKey)
  const webSockets = new WebSockets(`${trafficUrl.replace('http', 'ws')}/ws`)
  try {
    const startedAtMs = performance.now()
    clients.start(customers)
    admins.start()
    await webSockets.open(sockets)

    await Promise.all([restartProxies(traffic), restartControlPlanes(admin)])

    // What a worker had leased of the month went back: the others can use it to the last unit.
    await waitFor(async () => (await unitsOf('quota')) === quota, {
      timeoutMs: 20_000,
      what: 'a month used to the end',
    })
    await waitFor(() => statusesOf(clients, 'quota').includes(402))
    await clients.stop()
    const written = await admins.stop()
    const seconds = (performance.now() - startedAtMs) / 1_000

    expect(traffic.failures).toEqual([])
    expect(admin.failures).toEqual([])
    expect([...clients.attempts.values()].flatMap(({ problem }) => problem ?? [])).toEqual([])
    expect(statusesOf(clients, 'busy')).toEqual([200])
    expect(statusesOf(clients, 'free')).toEqual([200])
    expect(statusesOf(clients, 'limited')).toEqual([200, 429])
    expect(statusesOf(clients, 'quota')).toEqual([200, 402])
    expect([...new Set(written)]).toEqual([201])
    const { meta } = await system.admin('GET', '/api/users?filter[name]=rolling&page[size]=1')
    expect(meta.total).toBe(written.length)
    expect(webSockets.codes.length).toBeGreaterThanOrEqual(sockets)
    expect([...new Set(webSockets.codes)]).toEqual([1001])

    await webSockets.close()
    await drain(system)
    const bounds = boundsOf(owners, seconds, 0)
    const { differences } = await judge(system.databaseUrl, clients.attempts, owners, bounds)
    expect(differences).toEqual([])
    expect(await unitsOf('quota')).toBe(quota)
    // Of a month that is not used up, too: what all workers count together is what the ledger has.
    await waitFor(
      async () => {
        const counted = await countedOf('busy')
        await drain(system)
        return counted === (await unitsOf('busy'))
      },
      { timeoutMs: 10_000, what: 'a month from which nothing is leased' },
    )
  } finally {
    for (const release of releases) release()
    traffic.close()
    admin.close()
  }
})

/** Of this month, in the ledger. */
async function unitsOf(customer: string): Promise<number> {
  const { data } = await system.admin('GET', `/api/users/${owners.get(customer)}/usage`)
  return data.attributes.metered_units
}

/** Of this month with one request more, by what the workers share. Always of the same one: asking leases a few units. */
async function countedOf(customer: string): Promise<number> {
  const { key } = customers.find(({ name }) => name === customer)!
  const response = await fetch(`${system.proxies[0]!.url}/small`, { headers: { 'x-api-key': key } })
  await response.text()
  return Number(response.headers.get('x-quota-used'))
}

async function restartProxies(balancer: Balancer): Promise<void> {
  for (const [n, { url, statusUrl }] of system.proxies.entries()) {
    const part = partNamed(`proxy-${n + 1}`)
    const slow = fetch(`${url}/slow`)
    const release = await waitFor(() => releases.pop())
    const ended = part.end()
    await waitFor(async () => (await fetch(`${statusUrl}/readyz`)).status === 503)
    // Whoever has not noticed yet is still served.
    expect((await fetch(`${url}/small`, { headers: { 'x-api-key': customers[0]!.key } })).status).toBe(200)
    await waitFor(() => isRefused(url), { timeoutMs: 15_000, what: 'that it takes no connection any more' })
    release()
    expect(await (await slow).text()).toBe('first last')
    expect(await ended).toBe(0)
    await part.start()
    await waitFor(() => balancer.isReady(url))
  }
}

async function restartControlPlanes(balancer: Balancer): Promise<void> {
  for (const n of [1, 2]) {
    const parts = [partNamed(`api-${n}`), partNamed(`jobs-${n}`)]
    expect(await Promise.all(parts.map((part) => part.end()))).toEqual([0, 0])
    await Promise.all(parts.map((part) => part.start()))
    await waitFor(() => balancer.isReady(system.adminUrls[n - 1]!))
  }
}

function partNamed(name: string): Part {
  return system.parts.find((part) => part.name === name)!
}

async function isRefused(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/none`)
    return false
  } catch (error) {
    return (error as { cause?: { code?: string } }).cause?.code === 'ECONNREFUSED'
  }
}

function statusesOf({ attempts }: Clients, customer: string): (number | null)[] {
  const own = [...attempts.values()].filter((attempt) => attempt.customer === customer)
  return [...new Set(own.map(({ status }) => status))].toSorted((a, b) => Number(a) - Number(b))
}

/** Somebody who makes users all the time. */
class Admins {
  readonly #url: string
  readonly #key: string
  readonly #statuses: number[] = []
  #running: Promise<void> | null = null
  #isStopped = false

  constructor(url: string, key: string) {
    this.#url = url
    this.#key = key
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<number[]> {
    this.#isStopped = true
    await this.#running
    return this.#statuses
  }

  async #run(): Promise<void> {
    const headers = { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' }
    for (let n = 0; !this.#isStopped; n++) {
      const body = JSON.stringify({ email: `rolling-${n}@example.com`, name: 'rolling' })
      const response = await fetch(`${this.#url}/api/users`, { method: 'POST', headers, body })
      await response.arrayBuffer()
      this.#statuses.push(response.status)
      await delay(20)
    }
  }
}

/** WebSockets that are opened again when they are closed. */
class WebSockets {
  readonly codes: number[] = []
  readonly #url: string
  #open: WebSocket[] = []
  #isClosing = false

  constructor(url: string) {
    this.#url = url
  }

  async open(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#openOne()))
  }

  async close(): Promise<void> {
    this.#isClosing = true
    for (const socket of this.#open) socket.close()
    await waitFor(() => this.#open.length === 0)
  }

  #openOne(): Promise<void> {
    const socket = new WebSocket(this.#url)
    this.#open.push(socket)
    socket.addEventListener('close', ({ code }) => {
      this.#open = this.#open.filter((one) => one !== socket)
      if (this.#isClosing) return
      this.codes.push(code)
      void this.#openOne()
    })
    return new Promise((resolve) => socket.addEventListener('open', () => resolve()))
  }
}
