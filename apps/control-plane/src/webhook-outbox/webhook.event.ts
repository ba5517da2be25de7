import { isDeepStrictEqual } from 'node:util'
import { newId } from '@apigate/platform'
import { resourceObject, valueOf, type ResourceDefinition, type Row } from '../jsonapi/index.ts'

/** Every type that a webhook may ask for. What has no source in this system yet is taken, and is not raised. */
export const webhookEventTypes = [
  ...['key.created', 'key.revoked', 'key.expired', 'user.created', 'user.updated', 'user.suspended', 'plan.changed'],
  ...['usage.threshold', 'usage.limit', 'route.changed', 'upstream.unhealthy', 'upstream.healthy'],
  'webhook.disabled',
  ...['subscription.start', 'subscription.end', 'subscription.renew', 'payment.success', 'payment.failed'],
  ...['invoice.created', 'test'],
] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** Something that happened, for whoever has asked to be told. */
export interface WebhookEvent {
  /** `whe_…`. Give a deterministic one (at most 100 of `A-Z a-z 0-9 . _ -`) where the cause may be seen twice. */
  id: string
  type: WebhookEventType
  at: Date
  /** Ids and public attributes as JSON; never a secret, for it leaves the house. */
  data: object
  /** For this webhook only, whatever it has asked for; null: for all that want it. */
  webhookId: string | null
}

export function webhookEvent(type: WebhookEventType, data: object, webhookId: string | null = null): WebhookEvent {
  const at = new Date()
  return { id: newId('whe', at.getTime()), type, at, data, webhookId }
}

/** What is sent: the same bytes each time. */
export function webhookMessage(event: { id: string; type: string; createdAt: Date; payload: unknown }): object {
  const { id, type, createdAt, payload } = event
  return { id, type, created_at: createdAt, data: payload }
}

/**
 * What became of a resource: `attributes` as they are now (null when it is gone) and in `previous` the old values of those
 * that changed (null when it is new). Attributes that are JSON are left out: transforms and header conditions may hold
 * credentials of their own.
 */
export function resourceEvent(
  type: WebhookEventType,
  definition: ResourceDefinition,
  before: Row | null,
  after: Row | null,
): WebhookEvent {
  const old = before && publicAttributes(definition, before)
  const attributes = after && publicAttributes(definition, after)
  const previous = old && attributes ? changedIn(old, attributes) : old
  return webhookEvent(type, { type: definition.type, id: (after ?? before)?.id, attributes, previous })
}

/** The same for a resource that went with another one: of it only the id is told. */
export function goneEvent(type: WebhookEventType, resource: string, id: string): WebhookEvent {
  return webhookEvent(type, { type: resource, id, attributes: null, previous: {} })
}

type Attributes = Record<string, unknown>

function publicAttributes(definition: ResourceDefinition, row: Row): Attributes {
  const related = [...definition.relationships.values()].map(({ name, idField }) => [
    `${name}_id`,
    valueOf(row, idField) ?? null,
  ])
  const shown = Object.entries(resourceObject(definition, row).attributes).filter(
    ([name]) => definition.attributes.get(name)?.kind !== 'json',
  )
  return { ...Object.fromEntries(shown), ...Object.fromEntries(related) }
}

function changedIn(old: Attributes, now: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(old).filter(([name, value]) => name !== 'updated_at' && !isDeepStrictEqual(value, now[name])),
  )
}
