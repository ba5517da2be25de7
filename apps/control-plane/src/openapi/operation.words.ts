import type { Relationship } from '../jsonapi/index.ts'
import type { EndpointReading } from './endpoint.reading.ts'
import { aWord, pascalCase, schemaName, singular, words } from './openapi.names.ts'

/** What operations are called: by clients (`operationId`) and by people (`summary`). */

interface Words {
  operationId: string
  summary: string
}

/** Sections of the description. */
export function tagOf({ definition, path, handler }: EndpointReading): string {
  if (definition === null) return words(handler.split('Controller', 1)[0] ?? '').toLowerCase()
  return `${definition.type}${path.startsWith('/admin/') ? ' (/admin)' : ''}`
}

/** From what an endpoint does; `relationship` is the one that it is described for. */
export function wordsOf(endpoint: EndpointReading, path: string, relationship: Relationship | null): Words {
  const { definition, method, body, query, parent } = endpoint
  // Those say it themselves.
  if (definition === null) return { operationId: '', summary: '' }
  if (endpoint.many || relationship || (query?.kind === 'list' && parent)) {
    return wordsOfRelated(endpoint, path, relationship)
  }
  const name = schemaName(definition)
  const one = aWord(singular(definition.type))
  if (query?.kind === 'list') {
    return { operationId: `list${pascalCase(definition.type)}`, summary: `List ${words(definition.type)}` }
  }
  if (body?.kind === 'creation') return { operationId: `create${name}`, summary: `Create ${one}` }
  if (body?.kind === 'update') return { operationId: `update${name}`, summary: `Update ${one}` }
  if (method === 'delete') return { operationId: `delete${name}`, summary: `Delete ${one}` }
  if (method === 'get') return { operationId: `get${name}`, summary: `Read ${one}` }
  const action = pascalCase(path.split('/').at(-1) ?? '')
  return { operationId: `${action.charAt(0).toLowerCase()}${action.slice(1)}${name}`, summary: `${action} ${one}` }
}

const manyVerbs = { get: 'get', post: 'add', delete: 'remove', patch: 'replace', put: 'replace' }

function wordsOfRelated(
  { definition, method, many, parent, query }: EndpointReading,
  path: string,
  relationship: Relationship | null,
): Words {
  const from = (query?.kind === 'list' ? parent : definition) ?? definition
  if (from === null) return { operationId: '', summary: '' }
  const last = many?.many.name ?? relationship?.name ?? path.split('/').at(-1) ?? ''
  const name = `${schemaName(from)}${pascalCase(last)}`
  const one = aWord(singular(from.type))
  const what = `${words(last)} of ${one}`
  if (query?.kind === 'list')
    return { operationId: `list${pascalCase(last)}Of${schemaName(from)}`, summary: `List ${what}` }
  if (method === 'get' && path.includes('/relationships/')) {
    return { operationId: `get${name}Linkage`, summary: `Read which ${words(last)} ${one} has` }
  }
  if (method === 'get') return { operationId: `get${name}`, summary: `Read the ${what}` }
  if (!many) return { operationId: `set${name}`, summary: `Set the ${what}` }
  return { operationId: `${manyVerbs[method]}${name}`, summary: `${pascalCase(manyVerbs[method])} ${what}` }
}
