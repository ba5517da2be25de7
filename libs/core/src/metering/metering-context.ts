/**
 * What an expression sees. A worker makes one for an exchange that has ended; members that cost something (bodies) are
 * made when they are read, and may throw a `MeteringError`. Objects hold plain data; null where there is none.
 */
export interface MeteringContext {
  readonly status: number
  readonly method: string
  readonly path: string
  /** Text of each `{name}` of the route's pattern, percent-decoded. */
  readonly params: unknown
  /** First value of each parameter of the query, decoded. */
  readonly query: unknown
  readonly requestBytes: number
  readonly responseBytes: number
  readonly latencyMs: number
  readonly requestHeaders: unknown
  /** Parsed JSON; null for what is none. */
  readonly requestBody: unknown
  readonly responseHeaders: unknown
  readonly responseBody: unknown
  readonly sseEvents: number | null
  readonly sseLast: unknown
  readonly sseUsage: unknown
  readonly messagesIn: number
  readonly messagesOut: number
}

export type MeteringInput = keyof MeteringContext

type Shape = 'number' | 'text' | 'members' | 'headers' | 'any'

interface Root {
  readonly input: MeteringInput
  /** What a path behind the name can lead to. */
  readonly shape: Shape
}

const root = (input: MeteringInput, shape: Shape): Root => ({ input, shape })

/** Names of the language, those with a dot as they are written. */
const roots: ReadonlyMap<string, Root> = new Map([
  ['status', root('status', 'number')],
  ['method', root('method', 'text')],
  ['path', root('path', 'text')],
  ['params', root('params', 'members')],
  ['query', root('query', 'members')],
  ['requestBytes', root('requestBytes', 'number')],
  ['responseBytes', root('responseBytes', 'number')],
  ['latencyMs', root('latencyMs', 'number')],
  ['durationMs', root('latencyMs', 'number')],
  ['messagesIn', root('messagesIn', 'number')],
  ['messagesOut', root('messagesOut', 'number')],
  ['request.headers', root('requestHeaders', 'headers')],
  ['request.body', root('requestBody', 'any')],
  ['response.headers', root('responseHeaders', 'headers')],
  ['response.body', root('responseBody', 'any')],
  ['respBody', root('responseBody', 'any')],
  ['sse.events', root('sseEvents', 'number')],
  ['sse.last', root('sseLast', 'any')],
  ['sse.usage', root('sseUsage', 'members')],
])

/** A name and the path behind it, as it is read from a context. */
export interface MeteringPath {
  readonly input: MeteringInput
  readonly steps: readonly string[]
}

/**
 * @param names of the path, at least one, the first as a name; `[n]` and `["name"]` count as names.
 * @returns a sentence for what is not known.
 */
export function meteringPath(names: readonly string[]): MeteringPath | string {
  const [first = '', second] = names
  const single = roots.get(first)
  if (single !== undefined) return withSteps(single, first, names.slice(1))
  const members = [...roots.keys()]
    .filter((name) => name.startsWith(`${first}.`))
    .map((name) => name.slice(first.length + 1))
  if (members.length === 0) return `"${first}" is not known; known are ${[...roots.keys()].join(', ')}`
  const found = second === undefined ? undefined : roots.get(`${first}.${second}`)
  if (found === undefined) return `${first} has ${members.join(', ')}: name one of them`
  return withSteps(found, `${first}.${second}`, names.slice(2))
}

function withSteps({ input, shape }: Root, name: string, steps: readonly string[]): MeteringPath | string {
  const [step] = steps
  if (step === undefined) return { input, steps }
  if (shape === 'number') return `${name} is a number and has no "${step}"`
  if (shape === 'text' && (step !== 'length' || steps.length > 1)) return `${name} is a text and has no "${step}"`
  return { input, steps: shape === 'headers' ? [step.toLowerCase(), ...steps.slice(1)] : steps }
}

/** Follows own members only; null where a path does not lead on. */
export function valueAt(start: unknown, steps: readonly string[]): unknown {
  let value = start
  for (const step of steps) {
    if (typeof value === 'string') {
      value = step === 'length' ? value.length : null
    } else if (typeof value === 'object' && value !== null && Object.hasOwn(value, step)) {
      value = (value as Record<string, unknown>)[step]
    } else {
      return null
    }
  }
  return value ?? null
}
