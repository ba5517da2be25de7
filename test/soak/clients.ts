import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Attempt } from '../chaos/clients.ts'

/** What a client does with the answer. */
type Behaviour = 'read' | 'read slowly' | 'go away' | 'post' | 'open a WebSocket'

/** How many of a hundred requests ask so; a path is that of its route. */
const mix: readonly (readonly [share: number, path: string, behaviour: Behaviour])[] = [
  [40, '/small', 'read'],
  [10, '/small', 'post'],
  [8, '/chunked', 'read'],
  [6, '/large', 'read'],
  [4, '/large', 'read slowly'],
  [4, '/large', 'go away'],
  [6, '/slow', 'go away'],
  [4, '/slow', 'read'],
  [5, '/reset', 'read'],
  [5, '/retried', 'read'],
  [4, '/tls', 'read'],
  [4, '/websocket', 'open a WebSocket'],
]
const plan = mix.flatMap(([share, path, behaviour]) => Array.from({ length: share }, () => ({ path, behaviour })))
const message = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
const closing = Buffer.from([0x88, 0x80, 0, 0, 0, 0])
const runningMax = 200

/** Clients of all sorts, at a steady rate. */
export class MixedClients {
  /** By request id, which the ledger keeps. */
  readonly attempts = new Map<string, Attempt>()
  /** Requests that have left as a whole: a proxy has read them, whatever became of their clients. */
  readonly sent = new Set<string>()
  readonly #proxies: readonly string[]
  readonly #key: string
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 50 })
  readonly #running = new Set<Promise<void>>()

  constructor(proxies: readonly string[], key: string) {
    this.#proxies = proxies
    this.#key = key
  }

  /** Until the time is over and the last one has what it asked for. */
  async run(seconds: number, perSecond: number): Promise<void> {
    const startedAtMs = performance.now()
    for (let n = 0; performance.now() - startedAtMs < seconds * 1_000; n++) {
      const earlyMs = startedAtMs + (n * 1_000) / perSecond - performance.now()
      if (earlyMs > 0) await delay(earlyMs)
      if (this.#running.size >= runningMax) await Promise.race(this.#running)
      const one = this.#ask(n).finally(() => this.#running.delete(one))
      this.#running.add(one)
    }
    await Promise.all(this.#running)
    this.#agent.destroy()
  }

  #ask(n: number): Promise<void> {
    const id = `chaos-soak-${n}`
    const { path, behaviour } = plan[(n * 37) % plan.length]!
    const attempt: Attempt = { customer: 'soak', path, status: null }
    this.attempts.set(id, attempt)
    const headers: http.OutgoingHttpHeaders = { 'x-api-key': this.#key, 'x-request-id': id }
    if (behaviour === 'open a WebSocket') {
      Object.assign(headers, { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' })
      headers['sec-websocket-key'] = 'dGhlIHNhbXBsZSBub25jZQ=='
    }
    return new Promise((resolve) => {
      const method = behaviour === 'post' ? 'POST' : 'GET'
      const url = `${this.#proxies[n % this.#proxies.length]!}${path}`
      const request = http.request(url, { method, agent: this.#agent, headers, timeout: 20_000 })
      request.on('timeout', () => request.destroy())
      request.on('finish', () => this.sent.add(id))
      request.on('error', () => resolve())
      request.on('close', () => resolve())
      request.on('upgrade', (_response, socket) => {
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.write(message)
        socket.once('data', () => {
          attempt.status = 101
          socket.end(closing)
        })
      })
      request.on('response', (response) => {
        response.on('error', () => {})
        response.on('end', () => (attempt.status = response.complete ? (response.statusCode ?? null) : null))
        if (behaviour === 'go away') response.once('data', () => request.destroy())
        else if (behaviour === 'read slowly') void sip(response)
        else response.resume()
      })
      // Some go before anything has come.
      if (path === '/slow' && behaviour === 'go away') setTimeout(() => request.destroy(), 100)
      request.end(method === 'POST' ? 'x'.repeat(1_024) : undefined)
    })
  }
}

async function sip(response: http.IncomingMessage): Promise<void> {
  for (let n = 0; n < 8 && !response.destroyed; n++) {
    response.read(16_384)
    await delay(100)
  }
  response.resume()
}
