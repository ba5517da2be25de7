import { Integer, parseTimestamp, Reference, rule, Text, TextList, Timestamp } from '../../jsonapi/index.ts'

export const keyScopes = ['admin:read', 'admin:write', 'meter:write'] as const
/** 30 days. */
export const overlapSecondsMax = 2_592_000

export class ApiKeyInput {
  @Text({ max: 200 }) name?: string
  @TextList({
    max: keyScopes.length,
    pattern: [/^(admin:(read|write)|meter:write)$/, `must be of ${keyScopes.join(', ')}`],
  })
  scopes?: string[]
  @Timestamp({ nullable: true }) @InFuture() expires_at?: string | null
  @Reference({ nullable: true }) user_id?: string | null
  @Reference({ nullable: true }) group_id?: string | null
}

/** What may be changed of a key. The time of one that has expired may be sent back as it is. */
export class ApiKeyChanges {
  @Text({ max: 200 }) name?: string
  @Timestamp({ nullable: true }) expires_at?: string | null
}

export class RotationInput {
  /** How long the old key goes on; it never lives longer than it would have. */
  @Integer({ min: 0, max: overlapSecondsMax }) overlap_seconds?: number
}

function InFuture(): PropertyDecorator {
  return rule(true, { description: 'In the future.' }, (value) => {
    const time = typeof value === 'string' ? parseTimestamp(value) : null
    return time !== null && time.getTime() <= Date.now() ? 'must lie in the future' : null
  })
}
