import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export interface Customer {
  name: string
  key: string
  /** What a client may do; each attempt picks one. */
  paths: string[]
  /** Requests a second of all clients together. */
  ratePerSecond: number
}

export interface Attempt {
  customer: string
  path: string
  /** Null: no answer came, or not all of it. */
  status: number | null
  /** Why there was none, or not all of it. */
  problem?: string
}

/** Clients that ask the proxies at a rate, and note for each request whether a whole answer came. */
export class Clients {
  /** By request id, which the ledger keeps. */
  readonly attempts = new Map<string, Attempt>()
  readonly #proxies: readonly string[]
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 40 })
  readonly #running: Promise<void>[] = []
  #isStopped = false
  #sent = 0

  constructor(proxies: readonly string[]) {
    this.#proxies = proxies
  }

  start(customers: readonly Customer[]): void {
    for (const customer of customers) this.#running.push(this.#drive(customer))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
    this.#agent.destroy()
  }

  async #drive(customer: Customer): Promise<void> {
    const startedAtMs = performance.now()
    const pending = new Set<Promise<void>>()
    for (let n = 0; !this.#isStopped; n++) {
      const dueMs = startedAtMs + (n * 1_000) / customer.ratePerSecond - performance.now()
      if (dueMs > 0) await delay(dueMs)
      // A proxy that is stopped must not pile up requests.
      if (pending.size >= 50) await Promise.race(pending)
      const asked = this.#ask(customer).finally(() => pending.delete(asked))
      pending.add(asked)
    }
    await Promise.all(pending)
  }

  #ask({ name, key, paths }: Customer): Promise<void> {
    const n = (this.#sent += 1)
    const id = `chaos-${n}`
    const attempt: Attempt = { customer: name, path: paths[n % paths.length]!, status: null }
    this.attempts.set(id, attempt)
    const proxy = this.#proxies[n % this.#proxies.length]!
    return new Promise((resolve) => {
      const headers = { 'x-api-key': key, 'x-request-id': id }
      const request = http.get(`${proxy}${attempt.path}`, { agent: this.#agent, headers, timeout: 10_000 })
      request.on('timeout', () => request.destroy(new Error('no answer in time')))
      request.on('error', (error: NodeJS.ErrnoException) => {
        attempt.problem = `${error.code ?? error.message}, ${request.reusedSocket ? 'reused' : 'new'} connection`
        resolve()
      })
      request.on('response', (response) => {
        response.resume()
        response.on('end', () => {
          if (response.complete) attempt.status = response.statusCode ?? null
        })
        response.on('error', (error) => (attempt.problem = `${error.message} in the answer`))
        response.on('close', () => resolve())
      })
    })
  }
}
