import { ApiError } from '@apigate/errors'
import { mediaType } from './document.ts'

/**
 * Content negotiation of JSON:API 1.1 (https://jsonapi.org/format/1.1/#content-negotiation-servers). We know no extension
 * and no profile: `ext` must be empty, `profile` is ignored.
 */

interface MediaRange {
  type: string
  parameters: Map<string, string>
}

/** @throws ApiError 415 unless the body is JSON:API without parameters but `profile`, or plain JSON in UTF-8. */
export function checkContentType(contentType: string | undefined, contentEncoding: string | undefined): void {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
    throw unsupported('bodies are not taken compressed', 'Content-Encoding')
  }
  const [range, ...others] = parseRanges(contentType ?? '')
  if (!range || others.length > 0) throw unsupported(`send ${mediaType} or application/json`, 'Content-Type')
  if (range.type === 'application/json') {
    if (/^utf-?8$/i.test(range.parameters.get('charset') ?? 'utf-8')) return
    throw unsupported('JSON is UTF-8 (RFC 8259 §8.1)', 'Content-Type')
  }
  if (range.type !== mediaType) throw unsupported(`send ${mediaType} or application/json`, 'Content-Type')
  if (!acceptable(range)) {
    throw unsupported(`${mediaType} takes no parameter but profile, and no extension is supported`, 'Content-Type')
  }
}

/** @throws ApiError 406 when every JSON:API entry of `Accept` carries a parameter or an extension that we do not know. */
export function checkAccept(accept: string | undefined): void {
  const ranges = parseRanges(accept ?? '').filter((range) => range.type === mediaType)
  for (const range of ranges) range.parameters.delete('q')
  if (ranges.length === 0 || ranges.some(acceptable)) return
  throw ApiError.of('not_acceptable', `answers are ${mediaType} without parameters`, { header: 'Accept' })
}

function acceptable(range: MediaRange): boolean {
  return [...range.parameters].every(([name, value]) => name === 'profile' || (name === 'ext' && value.trim() === ''))
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
