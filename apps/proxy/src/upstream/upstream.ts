import type { UpstreamConfig } from '@apigate/core'
import type { Sealer } from '@apigate/platform'
import { Pool, type Dispatcher } from 'undici'

const connectTimeoutMsMax = 10_000

/**
 * An upstream's connections. At most `max_idle_conns` of them are kept for the next request; when that many requests
 * run, another gets a connection of its own that is closed after it, so that no request ever queues behind a stream.
 * Connections are opened when they are needed, also after `retire`: a request may still hold tables that name this
 * upstream. HTTP/1.1 only.
 */
export class Upstream {
  readonly config: UpstreamConfig
  readonly origin: string
  /** Path of the base URL, without the last slash. */
  readonly basePath: string
  /** Lower-case name and value of the header with the upstream's credentials; null when it takes none. */
  readonly credential: readonly [name: string, value: string] | null
  #kept: Pool | null = null
  #single: Pool | null = null
  #running = 0
  #isRetired = false

  /** @throws Error when the base URL or the sealed credentials are not usable; it never holds the credentials. */
  constructor(config: UpstreamConfig, sealer: Pick<Sealer, 'open'>) {
    this.config = config
    const url = new URL(config.baseUrl)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('base_url must be http or https')
    this.origin = url.origin
    this.basePath = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname
    this.credential = credentialOf(config, sealer)
  }

  /** Requests that were dispatched or held it and have not been released. */
  get running(): number {
    return this.#running
  }

  /** Every dispatch must be followed by one `release` when the request is over. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const isKept = this.#running < this.config.maxIdleConns
    this.#running += 1
    const pool = isKept ? (this.#kept ??= this.#open(true)) : (this.#single ??= this.#open(false))
    pool.dispatch(options, handler)
  }

  /** Counts a request that goes by a connection of its own. */
  hold(): void {
    this.#running += 1
  }

  release(): void {
    this.#running -= 1
    if (this.#isRetired) this.#closeWhenIdle()
  }

  /** No longer in the tables: closes its connections when nothing runs on them. */
  retire(): void {
    this.#isRetired = true
    this.#closeWhenIdle()
  }

  #closeWhenIdle(): void {
    if (this.#running > 0) return
    // Closing waits for what runs, and nothing does; what could fail is a connection that is going anyway.
    void this.#kept?.close().catch(() => {})
    void this.#single?.close().catch(() => {})
    this.#kept = null
    this.#single = null
  }

  #open(isKept: boolean): Pool {
    const { timeoutMs, maxIdleConns, idleConnTimeoutMs } = this.config
    const idleMs = Math.max(1, idleConnTimeoutMs)
    return new Pool(this.origin, {
      connections: isKept ? maxIdleConns : null,
      // 0 sends "Connection: close".
      pipelining: isKept ? 1 : 0,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: Math.min(timeoutMs, connectTimeoutMsMax) },
      allowH2: false,
    })
  }
}

function credentialOf(config: UpstreamConfig, sealer: Pick<Sealer, 'open'>): readonly [string, string] | null {
  if (config.authType === 'none' || config.authValueSealed === null) return null
  const value = sealer.open(config.authValueSealed)
  switch (config.authType) {
    case 'bearer':
      return ['authorization', `Bearer ${value}`]
    case 'basic':
      return ['authorization', `Basic ${Buffer.from(value).toString('base64')}`]
    case 'header':
      if (config.authHeader === null) throw new Error('auth_header is missing')
      return [config.authHeader.toLowerCase(), value]
  }
}

/**
 * The upstreams of new tables: one whose configuration has not changed keeps its connections. Nothing is opened here.
 *
 * @throws Error naming the upstream that is not usable.
 */
export function buildUpstreams(
  configs: Iterable<UpstreamConfig>,
  previous: ReadonlyMap<string, Upstream>,
  sealer: Pick<Sealer, 'open'>,
): Map<string, Upstream> {
  const upstreams = new Map<string, Upstream>()
  for (const config of configs) {
    const known = previous.get(config.id)
    const isSame = known !== undefined && JSON.stringify(known.config) === JSON.stringify(config)
    try {
      upstreams.set(config.id, isSame ? known : new Upstream(config, sealer))
    } catch (error) {
      throw new Error(`upstream ${config.id}: ${error instanceof Error ? error.message : 'not usable'}`, {
        cause: error,
      })
    }
  }
  return upstreams
}

/** After the swap: closes what the new tables no longer name. */
export function retireUpstreams(old: ReadonlyMap<string, Upstream>, current: ReadonlyMap<string, Upstream>): void {
  for (const [id, upstream] of old) if (current.get(id) !== upstream) upstream.retire()
}
