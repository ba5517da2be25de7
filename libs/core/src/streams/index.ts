/**
 * What metering learns of an event stream while it passes: events, the last of them, and the tokens that an LLM provider
 * says it has used.
 *
 * Bounds: of the stream only the line and the event that are arriving are kept, at most 1 MiB of each; a longer event is
 * counted, and its data is not looked at. Work is linear in the bytes of the stream, whatever its chunk boundaries.
 */
export { LlmUsage, type TokenUsage } from './llm-usage.ts'
export { eventDataCharsMax, SseReader, type SseEvent } from './sse-reader.ts'
export { StreamFacts } from './stream-facts.ts'
