import {
  inputSchemas,
  type InputClass,
  type JsonSchema,
  type Relationship,
  type ResourceDefinition,
} from '../jsonapi/index.ts'
import { idSchema, linkageSchema } from './resource.schemas.ts'
import { ref } from './openapi.names.ts'

/** JSON Schemas of bodies, from the input classes and the rules on their properties. */

type Verb = 'Creation' | 'Update'

/** `UserCreation`, the JSON:API document, and `UserCreationFlat`, an object of attributes. */
export function bodyName(Input: InputClass<object>, verb: Verb): string {
  return `${Input.name.replace(/Input$/, '')}${verb}`
}

export function bodySchemas(
  definition: ResourceDefinition,
  Input: InputClass<object>,
  verb: Verb,
): Record<string, JsonSchema> {
  const name = bodyName(Input, verb)
  const { schemas, required } = inputSchemas(Input)
  const attributes = Object.fromEntries(schemas)
  const links = [...schemas.keys()].flatMap(
    (property) => definition.relationships.get(property.replace(/_id$/, '')) ?? [],
  )
  const needed = verb === 'Creation' ? required : []
  const linked = new Set(links.map((relationship) => `${relationship.name}_id`))
  // A relationship comes as an attribute or as linkage.
  const neededAttributes = needed.filter((property) => !linked.has(property))
  const only = verb === 'Creation' ? { additionalProperties: false } : {}
  const id = idSchema(definition)
  return {
    [`${name}Flat`]: {
      type: 'object',
      ...(verb === 'Update' && {
        description: 'What is not sent stays. Read-only attributes may be sent as they are.',
      }),
      properties: { id, type: { const: definition.type }, ...attributes },
      ...(needed.length > 0 && { required: needed }),
      ...only,
    },
    [name]: {
      type: 'object',
      properties: {
        data: {
          type: 'object',
          properties: {
            type: { const: definition.type },
            id,
            attributes: {
              type: 'object',
              properties: attributes,
              ...(neededAttributes.length > 0 && { required: neededAttributes }),
              ...only,
            },
            ...(links.length > 0 && { relationships: relationshipsSchema(links) }),
          },
          required: [
            'type',
            ...(verb === 'Update' ? ['id'] : []),
            ...(neededAttributes.length > 0 ? ['attributes'] : []),
          ],
        },
      },
      required: ['data'],
    },
  }
}

function relationshipsSchema(links: Relationship[]): JsonSchema {
  const properties = links.map((relationship): [string, JsonSchema] => [
    relationship.name,
    { type: 'object', properties: { data: linkageSchema(relationship) }, required: ['data'] },
  ])
  return { type: 'object', properties: Object.fromEntries(properties) }
}

/** Both shapes are taken as either type; the plainer one is shown as plain JSON. */
export function bodyContent(Input: InputClass<object>, verb: Verb, example?: object): Record<string, object> {
  const name = bodyName(Input, verb)
  return {
    'application/vnd.api+json': { schema: ref('schemas', name) },
    'application/json': {
      schema: { anyOf: [ref('schemas', `${name}Flat`), ref('schemas', name)] },
      ...(example && { example }),
    },
  }
}
