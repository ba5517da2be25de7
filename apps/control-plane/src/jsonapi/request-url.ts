/**
 * A request's path and query as JSON:API links need them: links keep every other query parameter, and `[` and `]` are
 * percent-encoded (RFC 3986 §3.2.2 keeps them for IP literals).
 */
export class RequestUrl {
  readonly path: string
  readonly parameters: readonly (readonly [string, string])[]

  constructor(url: string) {
    const mark = url.indexOf('?')
    this.path = mark === -1 ? url : url.slice(0, mark)
    this.parameters = [...new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))]
  }

  /** The same URL with these parameters set (in their old place, else at the end) or, for null, left out. */
  with(changes: Readonly<Record<string, string | null>>): string {
    const query = new URLSearchParams(this.parameters.map(([name, value]) => [name, value]))
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) query.delete(name)
      else query.set(name, value)
    }
    const text = query.toString()
    return text === '' ? this.path : `${this.path}?${text}`
  }
}
