/** What the bytes of one connection to an upstream are, read as strictly as RFC 9112 has it. */
export interface ReadBytes {
  /** Complete requests. */
  requests: { method: string; target: string; headers: [name: string, value: string][] }[]
  /** The head of another request is there, its body is not complete. */
  hasPartialBody: boolean
  /** Why another reader could take them for something else; null = nobody could. */
  problem: string | null
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.1$/
const fieldLine = /^([^:]*):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/

/** @param bytes in latin1 */
export function readStrictly(bytes: string): ReadBytes {
  const read: ReadBytes = { requests: [], hasPartialBody: false, problem: null }
  let rest = bytes
  while (rest !== '' && read.problem === null && !read.hasPartialBody) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) break
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n')
    rest = rest.slice(end + 4)
    const request = requestLine.exec(first)
    const fields = lines.map((line) => fieldLine.exec(line))
    const bad = fields.findIndex((field) => field === null || !token.test(field[1]!))
    if (request === null) read.problem = `a request line that is none: ${JSON.stringify(first)}`
    else if (bad !== -1) read.problem = `a field line that is none: ${JSON.stringify(lines[bad])}`
    else {
      const headers = fields.map((field): [string, string] => [field![1]!.toLowerCase(), field![2]!])
      const body = readBody(headers, rest)
      if (typeof body === 'string') read.problem = body
      else if (body === null) read.hasPartialBody = true
      else {
        read.requests.push({ method: request[1]!, target: request[2]!, headers })
        rest = rest.slice(body)
      }
    }
  }
  return read
}

/** How many characters of `rest` the body takes; null = it is not complete; a text = what is wrong. */
function readBody(headers: readonly [string, string][], rest: string): number | string | null {
  const all = (name: string): string[] => headers.filter(([each]) => each === name).map(([, value]) => value)
  const [lengths, codings] = [all('content-length'), all('transfer-encoding')]
  const twin = headers.find(
    ([name]) =>
      /^(?:transferencoding|contentlength)$/.test(name.replaceAll(/[^a-z]/g, '')) &&
      name !== 'transfer-encoding' &&
      name !== 'content-length',
  )
  if (all('host').length !== 1) return `${all('host').length} Host fields`
  if (twin !== undefined) return `a field that looks like framing: ${twin[0]}`
  if (lengths.length + codings.length > 1) return `${lengths.length} lengths and ${codings.length} codings`
  if (codings.length === 1) return codings[0] === 'chunked' ? readChunks(rest) : `the coding "${codings[0]}"`
  const length = lengths[0] ?? '0'
  if (!/^\d{1,15}$/.test(length)) return `the length "${length}"`
  return rest.length < Number(length) ? null : Number(length)
}

function readChunks(rest: string): number | string | null {
  let at = 0
  for (;;) {
    const end = rest.indexOf('\r\n', at)
    if (end === -1) return null
    const line = rest.slice(at, end)
    if (!/^[0-9a-fA-F]{1,12}$/.test(line)) return `the chunk head ${JSON.stringify(line)}`
    const size = Number.parseInt(line, 16)
    at = end + 2 + size
    if (rest.length < at + 2) return null
    if (rest.slice(at, at + 2) !== '\r\n') return 'a chunk that does not end where it says'
    at += 2
    if (size === 0) return at
  }
}
