/**
 * Tokens of one answer in one vocabulary; what a provider does not say is absent. `cached_tokens` (OpenAI, Gemini) are
 * part of `input_tokens`, the two `cache_…_input_tokens` (Anthropic) come on top of them. `total_tokens` is the
 * provider's own, or the sum of what is input and output.
 */
export interface TokenUsage {
  input_tokens?: number
  output_tokens?: number
  total_tokens?: number
  reasoning_tokens?: number
  cached_tokens?: number
  cache_read_input_tokens?: number
  cache_creation_input_tokens?: number
}

/** How providers call them, as a path into their usage object. */
const names: readonly (readonly [keyof TokenUsage, ...(readonly string[])])[] = [
  // OpenAI Responses, Anthropic Messages
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cache_read_input_tokens', 'cache_read_input_tokens'],
  ['cache_creation_input_tokens', 'cache_creation_input_tokens'],
  ['reasoning_tokens', 'output_tokens_details', 'reasoning_tokens'],
  ['cached_tokens', 'input_tokens_details', 'cached_tokens'],
  // OpenAI Chat Completions and what speaks like it
  ['input_tokens', 'prompt_tokens'],
  ['output_tokens', 'completion_tokens'],
  ['total_tokens', 'total_tokens'],
  ['reasoning_tokens', 'completion_tokens_details', 'reasoning_tokens'],
  ['cached_tokens', 'prompt_tokens_details', 'cached_tokens'],
  // Gemini
  ['input_tokens', 'promptTokenCount'],
  ['output_tokens', 'candidatesTokenCount'],
  ['total_tokens', 'totalTokenCount'],
  ['reasoning_tokens', 'thoughtsTokenCount'],
  ['cached_tokens', 'cachedContentTokenCount'],
]

/** Where an event's JSON holds its usage object. */
const places: readonly (readonly string[])[] = [
  ['usage'],
  ['response', 'usage'],
  ['message', 'usage'],
  ['usageMetadata'],
]

/**
 * Token usage of an event stream of OpenAI (chat completions and responses), Anthropic (messages), Gemini, and whatever
 * speaks like one of them. Every number that comes replaces the one before it: providers that say it more than once give
 * running totals, so adding would count twice.
 */
export class LlmUsage {
  readonly #usage: TokenUsage = {}
  #isKnown = false

  /** @param data the data of one event, in order of the stream; what is not JSON is passed over. */
  add(data: string): void {
    if (!data.includes('"usage')) return
    let event: unknown
    try {
      event = JSON.parse(data)
    } catch {
      return
    }
    for (const place of places) {
      const found = valueAt(event, place)
      if (found !== undefined) this.#take(found)
    }
  }

  /** As far as the stream has come; null while it has not said anything. */
  get usage(): TokenUsage | null {
    if (!this.#isKnown) return null
    const usage = this.#usage
    const { input_tokens: input, output_tokens: output } = usage
    if (usage.total_tokens !== undefined || input === undefined || output === undefined) return { ...usage }
    const cache = (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)
    return { ...usage, total_tokens: input + cache + output }
  }

  #take(found: unknown): void {
    for (const [name, ...path] of names) {
      const value = valueAt(found, path)
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) continue
      this.#usage[name] = value
      this.#isKnown = true
    }
  }
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
