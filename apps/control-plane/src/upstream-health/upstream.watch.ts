import { openFleetBus, throttled, type FleetBus, type Logger, type TransportConfig } from '@apigate/platform'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import { FleetOpinion, opinionPolicy, type OpinionPolicy } from './fleet.opinion.ts'
import type { UpstreamHealthRepository } from './upstream-health.repository.ts'

export interface WatchPolicy extends OpinionPolicy {
  everyMs: number
  /** Monotonic ms. */
  clock: () => number
}

export const watchPolicy: WatchPolicy = { ...opinionPolicy, everyMs: 1_000, clock: () => performance.now() }

/**
 * Raises `upstream.unhealthy` and `upstream.healthy` from what workers report. Every `jobs` process listens; one of them decides,
 * for two may not hear the same.
 */
export class UpstreamWatch implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #opinion: FleetOpinion
  readonly #bus: FleetBus
  readonly #warn: (error: unknown) => void
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> | null = null

  /** @param decides whether this process is the one, as things are. */
  constructor(
    private readonly repository: UpstreamHealthRepository,
    private readonly decides: () => boolean,
    transport: TransportConfig,
    private readonly log: Logger,
    private readonly policy: WatchPolicy = watchPolicy,
  ) {
    this.#opinion = new FleetOpinion(policy)
    this.#bus = openFleetBus(transport, log)
    this.#warn = throttled(log, 'warn', 'the health of upstreams cannot be told')
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look()
        .catch(this.#warn)
        .finally(() => (this.#looking = null))
    }, this.policy.everyMs)
    await this.#bus.onStatus((status) => this.#opinion.hear(status, this.policy.clock()))
  }

  async onModuleDestroy(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    await this.#looking
    await this.#bus.close()
  }

  async #look(): Promise<void> {
    const opinion = this.#opinion.at(this.policy.clock())
    if (opinion === null || !this.decides()) return
    const { unhealthy, workers, isWell } = opinion
    const told = await this.repository.told()
    for (const [id, targets] of unhealthy) {
      if (told.includes(id)) continue
      if (await this.repository.tellUnhealthy(id, targets, workers, new Date()))
        this.log.warn({ upstream: id, targets, workers }, 'an upstream is unhealthy')
    }
    for (const id of told) {
      if (isWell(id) && (await this.repository.tellHealthy(id)))
        this.log.info({ upstream: id }, 'an upstream is healthy again')
    }
  }
}
