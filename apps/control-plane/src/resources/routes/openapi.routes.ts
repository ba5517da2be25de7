import { createHash } from 'node:crypto'
import { escapePointer, InputError, isObject, type InputProblem } from '../../jsonapi/index.ts'
import type { RouteInput } from './routes.input.ts'

/** A route that an OpenAPI document's path asks for. */
export interface PathRoute {
  /** The same for the same prefix and path, so that a later import finds it again. */
  id: string
  /** Where the document speaks of it, as `InputProblem` names fields. */
  source: string
  fields: Required<Pick<RouteInput, 'name' | 'description' | 'path_pattern' | 'match_type' | 'methods'>>
}

const operations = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
const nameMax = 100
const descriptionMax = 2_000

/**
 * One route for each path of an OpenAPI 3.x document, with the methods that the path has. A parameter that is a whole segment
 * becomes `{name}` of an exact pattern; a path with one inside a segment (`/{id}.json`) becomes an expression.
 *
 * @param prefix of every path, e.g. `/v1`; the servers of the document say where it is now, not where customers call it.
 * @returns null for what is no such document.
 * @throws InputError about each entry of `paths` that no route can be made of. One without an operation asks for none.
 */
export function openApiRoutes(document: unknown, prefix: string): PathRoute[] | null {
  if (!isObject(document) || !isObject(document['paths']) || typeof document['openapi'] !== 'string') return null
  const title =
    isObject(document['info']) && typeof document['info']['title'] === 'string' ? document['info']['title'] : ''
  const paths = Object.entries(document['paths']).filter(([path]) => !path.startsWith('x-'))
  const [first, ...rest] = paths.flatMap(([path, item]) => problemOf(path, item) ?? [])
  if (first) throw new InputError([first, ...rest])
  return paths.flatMap(([path, item]) => {
    if (!isObject(item)) return []
    const methods = operations.filter((method) => isObject(item[method]))
    if (methods.length === 0) return []
    const full = prefix.replace(/\/$/, '') + path
    return {
      id: `rte_${createHash('sha256').update(full).digest('hex').slice(0, 24)}`,
      source: sourceOf(path),
      fields: {
        name: `${title} ${path}`.trim().slice(0, nameMax),
        description: textOf(item, methods),
        ...patternOf(full),
        methods: methods.map((method) => method.toUpperCase()),
      },
    }
  })
}

function sourceOf(path: string): string {
  return `openapi/paths/${escapePointer(path)}`
}

function problemOf(path: string, item: unknown): InputProblem | null {
  const problem = (detail: string): InputProblem => ({
    ...{ code: 'validation_error', field: sourceOf(path), detail: `${path}: ${detail}` },
  })
  if (!path.startsWith('/')) return problem('a path starts with "/"')
  if (!isObject(item)) return problem('a path has an object with its operations')
  if ('$ref' in item) return problem('what $ref refers to has to be put in its place')
  return null
}

/** What the path says of itself, or its first operation. */
function textOf(item: Record<string, unknown>, methods: readonly string[]): string {
  const first = isObject(item[methods[0] ?? '']) ? (item[methods[0] ?? ''] as Record<string, unknown>) : {}
  const texts = [item['summary'], item['description'], first['summary'], first['description']]
  return (texts.find((text): text is string => typeof text === 'string' && text !== '') ?? '').slice(0, descriptionMax)
}

function patternOf(path: string): { path_pattern: string; match_type: 'exact' | 'regex' } {
  const names = new Set<string>()
  const segments = path.split('/').map((segment) => segment.split(/(\{[^{}]*\})/).filter((part) => part !== ''))
  const isWhole = segments.every((parts) => parts.length === 1 || !parts.some(isParameter))
  const pattern = segments
    .map((parts) =>
      parts.map((part) => (isParameter(part) ? `{${nameOf(part, names)}}` : literalOf(part, isWhole))).join(''),
    )
    .join('/')
  return { path_pattern: pattern, match_type: isWhole ? 'exact' : 'regex' }
}

function isParameter(part: string): boolean {
  return part.startsWith('{')
}

function literalOf(part: string, isWhole: boolean): string {
  return isWhole ? part : part.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&')
}

/** Names of ours are letters, digits and underscores, and each is there once. */
function nameOf(parameter: string, taken: Set<string>): string {
  const base = parameter
    .slice(1, -1)
    .replaceAll(/\W/g, '_')
    .replace(/^(?![A-Za-z_])/, '_')
  let name = base
  for (let i = 2; taken.has(name); i++) name = `${base}_${i}`
  taken.add(name)
  return name
}
