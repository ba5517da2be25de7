import type { UnhealthyTarget } from '@apigate/contracts'
import type { UpstreamConfig } from '@apigate/core'
import type { Reach, Sealer } from '@apigate/platform'
import { RetryBudget } from './retry.budget.ts'
import { nextTarget } from './target.choice.ts'
import { UpstreamTarget } from './upstream.target.ts'

/**
 * An upstream: where its requests may go, and what they carry for it. Connections are opened when they are needed, also after
 * `retire`: a request may still hold tables that name this upstream. HTTP/1.1 only.
 */
export class Upstream {
  readonly config: UpstreamConfig
  /** Path of the base URL, without the last slash. */
  readonly basePath: string
  /** Lower-case name and value of the header with the upstream's credentials; null when it takes none. */
  readonly credential: readonly [name: string, value: string] | null
  readonly targets: readonly UpstreamTarget[]
  readonly retryBudget = new RetryBudget()
  #listener: HealthListener | null = null
  #running = 0
  #isRetired = false

  /** @throws Error when a URL or the sealed credentials are not usable; it never holds the credentials. */
  constructor(config: UpstreamConfig, sealer: Pick<Sealer, 'open'>, reach: Reach | null = null) {
    this.config = config
    const base = usableUrl(config.baseUrl)
    this.basePath = base.pathname.endsWith('/') ? base.pathname.slice(0, -1) : base.pathname
    this.credential = credentialOf(config, sealer)
    const targets = config.targets.length === 0 ? [{ url: config.baseUrl, weight: 1 }] : config.targets
    this.targets = targets.map(({ url, weight }) => new UpstreamTarget(usableUrl(url), weight, config, reach))
    for (const target of this.targets) {
      target.health.onChange = () => {
        target.changedAt = new Date().toISOString()
        this.#listener?.(this, target)
      }
    }
  }

  /** Requests that hold it and have not been released. */
  get running(): number {
    return this.#running
  }

  /** Where the next request goes; null = nowhere, all targets are unhealthy. @param tried where it has been in vain */
  choose(tried: readonly UpstreamTarget[]): UpstreamTarget | null {
    const [only] = this.targets
    if (this.targets.length === 1 && only!.health.isHealthy) return only!
    const nowMs = performance.now()
    const untried = (target: UpstreamTarget): boolean => !tried.includes(target) && target.health.isAvailable(nowMs)
    return (
      nextTarget(this.targets, untried) ??
      (tried.length === 0 ? null : nextTarget(this.targets, (target) => target.health.isAvailable(nowMs)))
    )
  }

  /** A request begins; must be followed by one `release` when it is over. */
  hold(): void {
    this.#running += 1
  }

  release(): void {
    this.#running -= 1
    if (this.#isRetired) this.#closeWhenIdle()
  }

  /** It is in the tables: its targets are checked from now on. It may have been retired before, and have come back. */
  start(listener: HealthListener): void {
    if (this.#listener !== null) return
    this.#listener = listener
    this.#isRetired = false
    for (const target of this.targets) target.pool.revive()
    if (this.config.enabled) for (const target of this.targets) target.startChecks()
  }

  /** No longer in the tables: closes its connections when nothing runs on them. */
  retire(): void {
    this.#isRetired = true
    this.#listener = null
    for (const target of this.targets) target.stopChecks()
    this.#closeWhenIdle()
  }

  #closeWhenIdle(): void {
    if (this.#running === 0) for (const target of this.targets) target.pool.retire()
  }
}

function usableUrl(text: string): URL {
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error('base_url and targets must be http or https')
  return url
}

function credentialOf(config: UpstreamConfig, sealer: Pick<Sealer, 'open'>): readonly [string, string] | null {
  if (config.authType === 'none' || config.authValueSealed === null) return null
  const value = sealer.open(config.authValueSealed)
  // They are written to the wire as they are.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw new Error('the credentials cannot stand in a header')
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
  reach: Reach | null = null,
): Map<string, Upstream> {
  const upstreams = new Map<string, Upstream>()
  for (const config of configs) {
    const known = previous.get(config.id)
    const isSame =
      known !== undefined && (known.config === config || JSON.stringify(known.config) === JSON.stringify(config))
    try {
      upstreams.set(config.id, isSame ? known : new Upstream(config, sealer, reach))
    } catch (error) {
      throw new Error(`upstream ${config.id}: ${error instanceof Error ? error.message : 'not usable'}`, {
        cause: error,
      })
    }
  }
  return upstreams
}

export type HealthListener = (upstream: Upstream, target: UpstreamTarget) => void

/** They are in the tables: from now on their targets are checked. Those that were before go on as they are. */
export function startUpstreams(upstreams: ReadonlyMap<string, Upstream>, listener: HealthListener): void {
  for (const upstream of upstreams.values()) upstream.start(listener)
}

/** Of their JSON: a status must fit into a NOTIFY of PostgreSQL, which takes 8,000 bytes. */
const unhealthyCharsMax = 4_000

/** The targets that requests are kept away from; as many as a status takes. */
export function unhealthyTargets(upstreams: ReadonlyMap<string, Upstream>): UnhealthyTarget[] {
  const unhealthy: UnhealthyTarget[] = []
  let chars = 0
  for (const { config, targets } of upstreams.values()) {
    if (!config.enabled) continue
    for (const { url, health, changedAt } of targets) {
      if (health.reason === null) continue
      const entry = { upstream: config.id, url: url.origin, reason: health.reason, since: changedAt }
      chars += JSON.stringify(entry).length + 1
      if (chars > unhealthyCharsMax) return unhealthy
      unhealthy.push(entry)
    }
  }
  return unhealthy
}

/** After the swap: closes what the new tables no longer name. */
export function retireUpstreams(old: ReadonlyMap<string, Upstream>, current: ReadonlyMap<string, Upstream>): void {
  for (const [id, upstream] of old) if (current.get(id) !== upstream) upstream.retire()
}
