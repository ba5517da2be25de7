import type { IncomingHttpHeaders } from 'node:http'

/** What is read here, said more than once (RFC 9110 §5.3): lists as one, and of single values the first. */
const repeated: ReadonlyMap<string, 'join' | 'first'> = new Map([
  ...(['connection', 'content-encoding', 'content-length', 'keep-alive'] as const).map(
    (name) => [name, 'join'] as const,
  ),
  ...[['transfer-encoding', 'join'] as const, ['content-type', 'first'] as const, ['etag', 'first'] as const],
])

/** Header or trailer fields of an answer, in their order; names in lower case. A repeated one is there as often as it came. */
export class AnswerFields {
  /** Names and values alternating. */
  readonly flat: string[]

  constructor(flat: string[] = []) {
    this.flat = flat
  }

  /** As `node:http` gives them. */
  static of(headers: IncomingHttpHeaders): AnswerFields {
    const fields = new AnswerFields()
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined) continue
      for (const each of typeof value === 'string' ? [value] : value) fields.flat.push(name, each)
    }
    return fields
  }

  add(name: string, value: string): void {
    const { flat } = this
    const how = repeated.get(name)
    const at = how === undefined ? -1 : this.#indexOf(name)
    if (at === -1) flat.push(name, value)
    else if (how === 'join') flat[at + 1] += `, ${value}`
  }

  /** The first of that name. */
  get(name: string): string | undefined {
    const at = this.#indexOf(name)
    return at === -1 ? undefined : this.flat[at + 1]
  }

  without(names: ReadonlySet<string>): AnswerFields {
    return new AnswerFields(this.flat.filter((_, i) => !names.has(this.flat[i - (i % 2)]!)))
  }

  /** Instead of all of that name. */
  with(name: string, value: string): AnswerFields {
    const fields = this.without(new Set([name]))
    fields.flat.push(name, value)
    return fields
  }

  /** As `node:http` has them: values of a repeated name as a list. */
  toObject(): IncomingHttpHeaders {
    const headers = Object.create(null) as Record<string, string | string[]>
    for (let i = 0; i < this.flat.length; i += 2) {
      const name = this.flat[i]!
      const before = headers[name]
      headers[name] = before === undefined ? this.flat[i + 1]! : [before, this.flat[i + 1]!].flat()
    }
    return headers
  }

  #indexOf(name: string): number {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return i
    return -1
  }
}
