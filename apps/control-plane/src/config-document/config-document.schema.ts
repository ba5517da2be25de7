import { inputSchemas, type JsonSchema } from '../jsonapi/index.ts'
import { documentVersion, sections } from './config-document.ts'

/** JSON Schema of the document, for editors: completion and a first check, from the rules that the API checks by. */
export function configDocumentSchema(): JsonSchema {
  const properties = sections.map(({ definition, Input }) => {
    const { schemas, required } = inputSchemas(Input)
    const id = { type: 'string', pattern: `^${definition.idPrefix}_[A-Za-z0-9._-]{1,128}$` }
    const entry = {
      type: 'object',
      properties: { id, ...Object.fromEntries(schemas) },
      required: ['id', ...required],
      additionalProperties: false,
    }
    return [definition.type, { type: 'array', items: entry }]
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'APIGate configuration',
    type: 'object',
    properties: { version: { const: documentVersion }, ...Object.fromEntries(properties) },
    additionalProperties: false,
  }
}
