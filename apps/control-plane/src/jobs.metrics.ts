import { metric, processMetrics } from '@apigate/platform'
import type { PublisherState } from './config-publisher/index.ts'
import type { Backlog } from './metrics/index.ts'
import type { IngestCounts } from './usage-ingest/index.ts'
import type { WebhookDelivery } from './webhook-delivery/index.ts'

export interface JobsFigures {
  publisher: PublisherState
  ingest: IngestCounts
  webhooks: WebhookDelivery['counts']
  /** Null while the database does not tell. */
  backlog: Backlog | null
}

/** What a `jobs` process tells, in Prometheus's text format. */
export function jobsMetrics({ publisher, ingest, webhooks, backlog }: JobsFigures): string {
  return [
    published(publisher, backlog),
    metric('counter', 'apigate_usage_ingest_batches_total', 'Batches of usage, by what came of the attempt.', [
      [{ outcome: 'written' }, ingest.written],
      [{ outcome: 'again' }, ingest.again],
      [{ outcome: 'set_aside' }, ingest.setAside],
    ]),
    metric('counter', 'apigate_usage_ingest_events_total', 'Usage events that were new to the ledger.', ingest.events),
    metric(
      'gauge',
      'apigate_usage_gap_events',
      'Usage events that the ledger lacks although it has later ones.',
      backlog?.missingEvents ?? null,
    ),
    metric(
      'gauge',
      'apigate_usage_refused_events',
      'Usage events that no ledger can hold, and that were set aside.',
      backlog?.refusedEvents ?? null,
    ),
    metric('counter', 'apigate_webhook_attempts_total', 'Attempts to deliver to webhooks, by what came of them.', [
      [{ outcome: 'delivered' }, webhooks.delivered],
      [{ outcome: 'again' }, webhooks.pending],
      [{ outcome: 'failed' }, webhooks.failed],
    ]),
    metric(
      'gauge',
      'apigate_webhook_deliveries_pending',
      'Deliveries to webhooks that are still to be attempted.',
      backlog?.pendingDeliveries ?? null,
    ),
    metric(
      'gauge',
      'apigate_webhook_overdue_seconds',
      'For how long the oldest delivery has been due to a webhook that is not failing.',
      backlog?.overdueSeconds ?? null,
    ),
    metric('gauge', 'apigate_webhooks_failing', 'Webhooks that fail.', backlog?.failingWebhooks ?? null),
    processMetrics(),
  ].join('')
}

function published({ role, position, snapshot, problem }: PublisherState, backlog: Backlog | null): string {
  return [
    metric('gauge', 'apigate_config_publisher_owner', '1 if this process publishes.', Number(role === 'owner')),
    metric('gauge', 'apigate_config_publisher_failing', '1 if its last step failed.', Number(problem !== null)),
    metric(
      'gauge',
      'apigate_config_head_revision',
      'Newest configuration revision in the database.',
      backlog?.headRevision ?? null,
    ),
    metric(
      'gauge',
      'apigate_config_published_revision',
      'Newest revision on the config feed.',
      position?.revision ?? null,
    ),
    metric('gauge', 'apigate_config_snapshot_revision', 'Revision of the newest snapshot.', snapshot?.revision ?? null),
    metric(
      'gauge',
      'apigate_config_snapshot_timestamp_seconds',
      'When it was made, in Unix time.',
      snapshot === null ? null : snapshot.atMs / 1_000,
    ),
    metric('gauge', 'apigate_config_snapshot_bytes', 'Its size, compressed.', snapshot?.bytes ?? null),
  ].join('')
}
