import { parseTimestamp, Reference, rule, Text, TextList, Timestamp } from '../../jsonapi/index.ts'

export const keyScopes = ['admin:read', 'admin:write', 'meter:write'] as const

export class ApiKeyInput {
  @Text({ max: 200 }) name?: string
  @TextList({
    max: keyScopes.length,
    pattern: [/^(admin:(read|write)|meter:write)$/, `must be of ${keyScopes.join(', ')}`],
  })
  scopes?: string[]
  @Timestamp({ nullable: true }) @InFuture() expires_at?: string | null
  @Reference({ nullable: true }) user_id?: string | null
}

function InFuture(): PropertyDecorator {
  return rule(true, { description: 'In the future.' }, (value) => {
    const time = parseTimestamp(String(value))
    return time !== null && time.getTime() <= Date.now() ? 'must lie in the future' : null
  })
}
