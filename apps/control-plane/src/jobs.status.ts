import { setTimeout as delay } from 'node:timers/promises'
import type { Readiness } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { ConfigPublisher, type PublisherState } from './config-publisher/index.ts'
import { HealthRepository, transportStates } from './health/index.ts'
import { jobsMetrics } from './jobs.metrics.ts'
import { BacklogRepository, type Backlog } from './metrics/index.ts'
import { UsageIngest } from './usage-ingest/index.ts'
import { WebhookDelivery } from './webhook-delivery/index.ts'

const backlogMsMax = 2_000

/** What the jobs process says of itself on its status port. */
@Injectable()
export class JobsStatus {
  private draining = false
  private reading: Promise<Backlog | null> | null = null

  constructor(
    private readonly health: HealthRepository,
    private readonly publisher: ConfigPublisher,
    private readonly webhooks: WebhookDelivery,
    private readonly ingest: UsageIngest,
    private readonly backlog: BacklogRepository,
  ) {}

  drain(): void {
    this.draining = true
  }

  /** Ready = PostgreSQL answers and is migrated; what else is away is shown, and waited for. */
  async readiness(): Promise<Readiness> {
    const migrated = await this.health.isMigrated().catch(() => null)
    const { role, problem } = this.publisher.state
    return {
      ready: migrated === true && !this.draining,
      dependencies: {
        postgres: migrated === null ? 'down' : 'up',
        migrations: migrated === null ? 'unknown' : migrated ? 'applied' : 'missing',
        config_publisher: problem === null ? role : `${role}: failing`,
        ...transportStates(this.ingest.connected),
        ...(this.draining && { process: 'draining' }),
      },
    }
  }

  status(): PublisherState {
    return this.publisher.state
  }

  /** Prometheus text. What only the database knows is left out when it does not tell in time. */
  async metrics(): Promise<string> {
    // A database that hangs has one such question, however often it is asked.
    this.reading ??= this.backlog
      .read()
      .catch(() => null)
      .finally(() => (this.reading = null))
    const backlog = await Promise.race([this.reading, delay(backlogMsMax, null, { ref: false })])
    const { state: publisher } = this.publisher
    return jobsMetrics({ publisher, ingest: this.ingest.counts, webhooks: this.webhooks.counts, backlog })
  }
}
