import { Flag, Integer, Required, rule, Text, Timestamp } from '../../jsonapi/index.ts'
import { webhookEventTypes } from '../../webhook-outbox/index.ts'
import { parseTarget, RefusedTargetError } from '../../webhook-target/index.ts'

/** A day: what a receiver's owner needs to put the new secret in its place. */
export const overlapSecondsDefault = 86_400
const overlapSecondsMax = 2_592_000

export class WebhookInput {
  @Required() @Text({ min: 1, max: 100 }) name?: string
  @Required() @TargetUrl() url?: string
  @Required() @EventTypes() events?: string[]
  @Text({ max: 2000 }) description?: string
  @Flag() enabled?: boolean
}

export class SecretRotationInput {
  /** How long the old secret goes on signing beside the new one. */
  @Integer({ min: 0, max: overlapSecondsMax }) overlap_seconds?: number
}

export class RedeliveryInput {
  @Required() @Timestamp() since?: string
}

/** Where the URL leads is checked by the service. */
function TargetUrl(): PropertyDecorator {
  return rule(false, { type: 'string', maxLength: 2000, pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^#]+$' }, (value) => {
    if (typeof value !== 'string' || value.length > 2000) return 'must be a URL of at most 2000 characters'
    try {
      parseTarget(value)
      return null
    } catch (error) {
      if (error instanceof RefusedTargetError) return error.message
      throw error
    }
  })
}

function EventTypes(): PropertyDecorator {
  const known = ['*', ...webhookEventTypes]
  const items = { type: 'string', enum: known }
  return rule(false, { type: 'array', items, minItems: 1, uniqueItems: true }, (value) => {
    if (!Array.isArray(value) || value.length === 0) return 'must be a list of at least one event, or of "*" for all'
    if (!value.every((entry) => known.includes(entry as string))) return `must be of ${known.join(', ')}`
    return new Set(value).size < value.length ? 'must not have an entry twice' : null
  })
}
