import { atomicExtension, mediaType, type EndpointDescription, type JsonSchema } from '../jsonapi/index.ts'
import { operables } from './operable.ts'
import { operationsMax } from './operation.reader.ts'

const type: JsonSchema = { type: 'string', enum: operables.map(({ definition }) => definition.type) }
const text: JsonSchema = { type: 'string' }

const operation: JsonSchema = {
  type: 'object',
  required: ['op'],
  properties: {
    op: { type: 'string', enum: ['add', 'update', 'remove'] },
    ref: {
      type: 'object',
      required: ['type'],
      properties: { type, id: text, lid: text, relationship: text },
      description: 'The resource, or its relationship; not beside `href`.',
    },
    href: { ...text, description: 'The path of a collection, a resource or a relationship, in place of `ref`.' },
    data: { description: 'A resource object, as its own path takes it, or the linkage of a relationship.' },
  },
}

/** For the API's description. */
export const operationsDescription: EndpointDescription = {
  operationId: 'runOperations',
  summary: 'Do many writes as one',
  description:
    `The extension ${atomicExtension}: operations are done in order, all or none, as one configuration revision. ` +
    'A `lid` names a resource that an operation before adds. As JSON:API the body must name the extension in its `Content-Type`.',
  body: {
    type: 'object',
    required: ['atomic:operations'],
    properties: { 'atomic:operations': { type: 'array', minItems: 1, maxItems: operationsMax, items: operation } },
  },
  answer: {
    mediaType: `${mediaType}; ext="${atomicExtension}"`,
    description: 'What each operation left, in order. 204 when there is nothing to show of any.',
    schema: {
      type: 'object',
      required: ['jsonapi', 'atomic:results'],
      properties: {
        jsonapi: { type: 'object' },
        'atomic:results': {
          type: 'array',
          items: { type: 'object', properties: { data: { type: ['object', 'null'] } } },
        },
        meta: { type: 'object' },
      },
    },
  },
}
