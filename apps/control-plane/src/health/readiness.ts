import type { Readiness } from '@apigate/platform'
import { Inject, Injectable } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { FirstStart } from '../first-start/index.ts'
import { FleetService } from '../fleet/index.ts'
import { CONFIG } from '../settings.module.ts'
import { MeterService } from '../usage/index.ts'
import { HealthRepository } from './health.repository.ts'

/**
 * Ready = the database answers, is migrated, holds what a first start makes, and the process is not ending. NATS and Redis may
 * be away: that is shown.
 */
@Injectable()
export class ReadinessCheck {
  private draining = false

  constructor(
    private readonly repository: HealthRepository,
    private readonly firstStart: FirstStart,
    private readonly fleet: FleetService,
    private readonly meter: MeterService,
    @Inject(CONFIG) private readonly config: ControlPlaneConfig,
  ) {}

  drain(): void {
    this.draining = true
  }

  async check(): Promise<Readiness> {
    const migrated = await this.repository.isMigrated().catch(() => null)
    const { done } = this.firstStart
    return {
      ready: migrated === true && done && !this.draining,
      dependencies: {
        postgres: migrated === null ? 'down' : 'up',
        migrations: migrated === null ? 'unknown' : migrated ? 'applied' : 'missing',
        first_start: done ? 'done' : 'waiting',
        ...transportStates({
          nats: this.config.natsUrl === null ? null : this.fleet.isConnected,
          redis: this.meter.isConnected,
        }),
        ...(this.draining && { process: 'draining' }),
      },
    }
  }
}

/** What is null is not used. */
export function transportStates(connected: Record<'nats' | 'redis', boolean | null>): Record<string, string> {
  const used = Object.entries(connected).filter(([, isConnected]) => isConnected !== null)
  return Object.fromEntries(used.map(([name, isConnected]) => [name, isConnected ? 'up' : 'down']))
}
