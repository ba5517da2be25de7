import { defineResource, type ResourceDefinition } from '../../jsonapi/index.ts'
import type { DeliveryRow } from './deliveries.repository.ts'
import type { WebhookRow } from './webhooks.repository.ts'

export const webhookResource: ResourceDefinition = defineResource<WebhookRow>({
  type: 'webhooks',
  path: '/api/webhooks',
  idPrefix: 'whk',
  attributes: {
    name: { kind: 'text' },
    url: { kind: 'text' },
    events: { kind: 'list' },
    description: { kind: 'text' },
    enabled: { kind: 'boolean' },
    previous_secret_until: { kind: 'timestamp', nullable: true },
    failing_since: { kind: 'timestamp', nullable: true },
    disabled_at: { kind: 'timestamp', nullable: true },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  toMany: { deliveries: { target: () => deliveryResource, inverse: 'webhook' } },
  secrets: { secret: 'secretSealed', previous_secret: 'previousSecretSealed' },
})

export const deliveryStatuses = ['pending', 'delivered', 'failed'] as const

export const deliveryResource: ResourceDefinition = defineResource<DeliveryRow>({
  type: 'webhook_deliveries',
  path: '/api/webhook-deliveries',
  idPrefix: 'whd',
  attributes: {
    event_id: { kind: 'text' },
    event_type: { kind: 'text' },
    status: { kind: 'enum', values: deliveryStatuses },
    attempts: { kind: 'integer' },
    last_status_code: { kind: 'integer', nullable: true },
    last_latency_ms: { kind: 'integer', nullable: true },
    last_response: { kind: 'text', nullable: true },
    last_error: { kind: 'text', nullable: true },
    next_attempt_at: { kind: 'timestamp', nullable: true },
    delivered_at: { kind: 'timestamp', nullable: true },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  relationships: { webhook: { target: () => webhookResource } },
  cursor: true,
})
