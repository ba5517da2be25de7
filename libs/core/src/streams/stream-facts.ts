import { LlmUsage, type TokenUsage } from './llm-usage.ts'
import { SseReader } from './sse-reader.ts'

/** OpenAI's mark behind the last event: an event by its form, without anything to say. */
const endMark = '[DONE]'

/** What a metering expression sees of an event stream: `sse.events`, `sse.last`, `sse.usage`. */
export class StreamFacts {
  /** Events so far, `[DONE]` among them. */
  events = 0
  readonly #usage = new LlmUsage()
  readonly #reader: SseReader
  #last: string | null = null

  constructor() {
    this.#reader = new SseReader(({ data }) => {
      this.events += 1
      if (data === endMark) return
      this.#last = data
      if (data !== null) this.#usage.add(data)
    })
  }

  /** @param text the next piece of the stream, decoded. */
  push(text: string): void {
    this.#reader.push(text)
  }

  /**
   * Data of the last event but `[DONE]`: the value where it is JSON, else the text. Null while there is none, and when it
   * was too long to be kept.
   */
  get last(): unknown {
    if (this.#last === null) return null
    try {
      return JSON.parse(this.#last)
    } catch {
      return this.#last
    }
  }

  get usage(): TokenUsage | null {
    return this.#usage.usage
  }
}
