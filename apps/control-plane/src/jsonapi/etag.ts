import { hash } from 'node:crypto'
import { ApiError } from '@apigate/errors'
import { valueOf, type ResourceDefinition, type Row } from './definition.ts'
import { wireValue } from './document.ts'

/**
 * Entity tags (RFC 9110 §8.8.3), all of them strong. A resource's tag is its version, which is of the row alone; an answer
 * that shows the row in another shape (`fields`, `include`, a linkage) has `~` and a digest of the body behind it. So the
 * tag of whatever a client has read of a resource tells `If-Match` which version that was.
 */

/** The same for the same attributes, related ids and secrets, however much of the row an answer shows. */
export function versionOf(definition: ResourceDefinition, row: Row): string {
  const names = [...definition.attributes.values(), ...definition.relationships.values()]
  const fields = names.map((named) => ('idField' in named ? named.idField : named.field))
  const values = [...fields, ...definition.secrets.values()].map((field) => [field, wireValue(valueOf(row, field))])
  return digest(JSON.stringify([definition.type, row.id, values]))
}

export function digest(content: string | Uint8Array): string {
  return hash('sha256', content, 'base64url').slice(0, 22)
}

export interface EntityTag {
  opaque: string
  weak: boolean
}

/** The value of `If-Match` or `If-None-Match`. @throws ApiError 400 when it is neither `*` nor a list of tags. */
export function parseTags(header: string, text: string): '*' | EntityTag[] {
  if (text.trim() === '*') return '*'
  const tags: EntityTag[] = []
  // The grammar lets lists have empty members (RFC 9110 §5.6.1).
  const member = /[\s,]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[\s]*(?:,[\s,]*|$)/y
  while (member.lastIndex < text.length) {
    const match = member.exec(text)
    if (match === null) throw ApiError.of('bad_request', `${header} is * or a list of tags in quotes`, { header })
    tags.push({ opaque: match[2] ?? '', weak: match[1] !== undefined })
  }
  return tags
}
