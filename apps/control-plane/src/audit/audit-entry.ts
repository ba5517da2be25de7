import { isDeepStrictEqual } from 'node:util'
import { valueOf, resourceObject, type ResourceDefinition, type Row } from '../jsonapi/index.ts'

/** One row of the audit trail, as far as the writing service knows it. */
export interface AuditEntry {
  /** `<resource>.<verb>` */
  action: string
  targetType: string
  targetId: string
  before: object | null
  after: object | null
}

export const maskedSecret = '[masked]'
/** Beside another `[masked]` before: it was set anew. */
const changedSecret = '[masked, changed]'

/** What a write did to a resource: `before` is null for a create, `after` for a delete. */
export function auditEntry(
  definition: ResourceDefinition,
  verb: string,
  before: Row | null,
  after: Row | null,
): AuditEntry {
  return {
    action: `${definition.type}.${verb}`,
    targetType: definition.type,
    targetId: (after ?? before)?.id ?? '',
    before: before && image(definition, before),
    after: after && { ...image(definition, after), ...(before && changedSecrets(definition, before, after)) },
  }
}

/** Of two sealed values only this can be told: whether they are the same. */
function changedSecrets(definition: ResourceDefinition, before: Row, after: Row): Record<string, string> {
  const changed = [...definition.secrets].filter(([, field]) => {
    const [old, now] = [valueOf(before, field), valueOf(after, field)]
    return old !== null && now !== null && !isDeepStrictEqual(old, now)
  })
  return Object.fromEntries(changed.map(([name]) => [name, changedSecret]))
}

/** The attributes that clients see, the ids of related resources, and of secrets only whether there is one. */
function image(definition: ResourceDefinition, row: Row): object {
  const related = [...definition.relationships.values()].map(({ name, idField }) => [
    `${name}_id`,
    valueOf(row, idField),
  ])
  return {
    ...resourceObject(definition, row).attributes,
    ...Object.fromEntries(related),
    ...maskedSecrets(definition, row),
  }
}

/** Of each secret only whether there is one: `[masked]` or null. */
export function maskedSecrets(definition: ResourceDefinition, row: Row): Record<string, string | null> {
  const secrets = [...definition.secrets].map(([name, field]): [string, string | null] => [
    name,
    valueOf(row, field) === null ? null : maskedSecret,
  ])
  return Object.fromEntries(secrets)
}
