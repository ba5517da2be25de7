import { ApiError } from '@apigate/errors'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { checkValue } from './json.ts'

/** An alias stands for a copy: a few of them can stand for gigabytes. */
const maxAliasCount = 100
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a request body in YAML 1.2 to what JSON could say as well.
 *
 * @returns undefined for an empty body.
 * @throws ApiError 400, with line and column where YAML itself is wrong.
 */
export function parseYaml(body: Uint8Array): unknown {
  if (body.length === 0) return undefined
  let value: unknown
  try {
    const lineCounter = new LineCounter()
    const document = parseDocument(utf8.decode(body), { lineCounter, prettyErrors: false, uniqueKeys: true })
    const [problem] = document.errors
    if (problem) {
      const { line, col } = lineCounter.linePos(problem.pos[0])
      // The library's own words are for who calls it.
      const reason = problem.code === 'MULTIPLE_DOCS' ? 'another document begins here; send one' : problem.message
      throw ApiError.of('bad_request', `line ${line}, column ${col}: ${reason}`)
    }
    value = document.toJS({ maxAliasCount })
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw ApiError.of('bad_request', 'the body is not YAML in UTF-8, or nested too deeply, or has too many aliases')
  }
  checkValue(value)
  return value
}

export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
}
