import { ApiError } from '@apigate/errors'
import { mediaType } from './document.ts'

/**
 * Content negotiation of JSON:API 1.1 (https://jsonapi.org/format/1.1/#content-negotiation-servers). A path knows
 * no extension unless it says so, and none knows a profile: `profile` is ignored.
 */

interface MediaRange {
  type: string
  parameters: Map<string, string>
}

export const yamlType = 'application/yaml'

/** Whether the client would rather have YAML (RFC 9512) than JSON: of a path that has both. */
export function prefersYaml(accept: string | undefined): boolean {
  return parseRanges(accept ?? '').some(({ type }) => type === yamlType)
}

/**
 * @param takesYaml whether the path takes YAML, too.
 * @param extensions which the path knows. Its bodies are documents of all of them, and say so unless they are plain JSON.
 * @throws ApiError 415 unless the body is JSON:API without parameters but `profile` and these, or plain JSON in UTF-8.
 */
export function checkContentType(
  contentType: string | undefined,
  contentEncoding: string | undefined,
  extensions: readonly string[] = [],
  takesYaml = false,
): void {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
    throw unsupported('bodies are not taken compressed', 'Content-Encoding')
  }
  const [range, ...others] = parseRanges(contentType ?? '')
  if (!range || others.length > 0) throw unsupported(`send ${mediaType} or application/json`, 'Content-Type')
  if (range.type === 'application/json' || (takesYaml && range.type === yamlType)) {
    if (/^utf-?8$/i.test(range.parameters.get('charset') ?? 'utf-8')) return
    throw unsupported('JSON and YAML are UTF-8 here', 'Content-Type')
  }
  if (range.type !== mediaType) throw unsupported(`send ${mediaType} or application/json`, 'Content-Type')
  const named = extensionsOf(range)
  if (!acceptable(range, extensions) || !extensions.every((extension) => named.includes(extension))) {
    const wanted = extensions.length > 0 ? `ext="${extensions.join(' ')}" and profile` : 'profile'
    throw unsupported(`${mediaType} takes no parameter here but ${wanted}`, 'Content-Type')
  }
}

/** @throws ApiError 406 when every JSON:API entry of `Accept` carries a parameter or an extension that we do not know. */
export function checkAccept(accept: string | undefined, extensions: readonly string[] = []): void {
  const ranges = parseRanges(accept ?? '').filter((range) => range.type === mediaType)
  for (const range of ranges) range.parameters.delete('q')
  if (ranges.length === 0 || ranges.some((range) => acceptable(range, extensions))) return
  const type = extensions.length > 0 ? `${mediaType}; ext="${extensions.join(' ')}"` : `${mediaType} without parameters`
  throw ApiError.of('not_acceptable', `answers are ${type}`, { header: 'Accept' })
}

function acceptable(range: MediaRange, extensions: readonly string[]): boolean {
  const others = [...range.parameters.keys()].filter((name) => name !== 'profile' && name !== 'ext')
  return others.length === 0 && extensionsOf(range).every((extension) => extensions.includes(extension))
}

/** URIs with spaces between. */
function extensionsOf({ parameters }: MediaRange): string[] {
  return (parameters.get('ext') ?? '').split(' ').filter((uri) => uri !== '')
}

function unsupported(detail: string, header: string): ApiError {
  return ApiError.of('unsupported_media_type', detail, { header })
}

/** `type/subtype;name=value, …`; a quoted value may hold commas and semicolons (RFC 9110 §5.6.6). */
function parseRanges(header: string): MediaRange[] {
  return split(header, ',').flatMap((entry) => {
    const [type = '', ...parameters] = split(entry, ';')
    if (type === '') return []
    return { type: type.toLowerCase(), parameters: new Map(parameters.map(parseParameter)) }
  })
}

function parseParameter(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals === -1) return [text.toLowerCase(), '']
  const value = text.slice(equals + 1).trim()
  const unquoted = value.startsWith('"') ? value.replace(/^"|"$/g, '').replaceAll(/\\(.)/g, '$1') : value
  return [text.slice(0, equals).trim().toLowerCase(), unquoted]
}

function split(text: string, separator: ',' | ';'): string[] {
  const parts = [
    ...text.matchAll(separator === ',' ? /(?:"(?:\\.|[^"\\])*"?|[^",])+/g : /(?:"(?:\\.|[^"\\])*"?|[^";])+/g),
  ]
  return parts.map((part) => part[0].trim()).filter((part) => part !== '')
}
