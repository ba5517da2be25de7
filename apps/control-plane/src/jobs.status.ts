import type { Readiness } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { ConfigPublisher, type PublisherState } from './config-publisher/index.ts'
import { HealthRepository } from './health/index.ts'
import { WebhookDelivery } from './webhook-delivery/index.ts'

/** What the jobs process says of itself on its status port. */
@Injectable()
export class JobsStatus {
  private draining = false

  constructor(
    private readonly health: HealthRepository,
    private readonly publisher: ConfigPublisher,
    private readonly webhooks: WebhookDelivery,
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
        ...(this.draining && { process: 'draining' }),
      },
    }
  }

  status(): PublisherState {
    return this.publisher.state
  }

  /** Prometheus text. */
  metrics(): string {
    const { role, position, snapshot, problem } = this.publisher.state
    const { delivered, pending, failed } = this.webhooks.counts
    return [
      gauge(
        'apigate_config_publisher_owner',
        'Whether this process publishes configuration.',
        Number(role === 'owner'),
      ),
      gauge('apigate_config_publisher_failing', 'Whether its last step failed.', Number(problem !== null)),
      gauge('apigate_config_published_revision', 'Newest revision on the config feed.', position?.revision),
      gauge('apigate_config_snapshot_revision', 'Revision of the newest snapshot.', snapshot?.revision),
      gauge('apigate_config_snapshot_bytes', 'Size of the newest snapshot, compressed.', snapshot?.bytes),
      attempts({ delivered, again: pending, failed }),
    ].join('')
  }
}

function attempts(outcomes: Record<string, number>): string {
  const name = 'apigate_webhook_attempts_total'
  const lines = Object.entries(outcomes).map(([outcome, count]) => `${name}{outcome="${outcome}"} ${count}\n`)
  return `# HELP ${name} Attempts to deliver to webhooks, by what came of them.\n# TYPE ${name} counter\n${lines.join('')}`
}

/** A value that is not known is left out: a 0 would be a lie. */
function gauge(name: string, help: string, value: number | undefined): string {
  return value === undefined ? '' : `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`
}
