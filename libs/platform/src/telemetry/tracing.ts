import { traceparentOf, type TraceParent } from './trace-context.ts'

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'
export type KnownAttributes = Readonly<Record<string, string | number | boolean>>
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

export interface SpanOptions {
  kind: SpanKind
  /** Never a secret: no header's value, no value of a query, no parameter of a statement. */
  attributes?: SpanAttributes
  /** Where it belongs; unset: to the span that is active, null: to none. */
  parent?: TraceParent | null
}

/** A span that has not ended. */
export interface OpenSpan {
  readonly position: TraceParent
  /** Runs `work` with this span as the active one: also for what it starts and leaves running. */
  run<T>(work: () => T): T
  set(attributes: SpanAttributes): void
  /** @param type a code or a class, with few values. */
  fail(type: string): void
  end(): void
}

/** A span of which everything is known. */
export interface EndedSpan {
  name: string
  kind: SpanKind
  traceId: string
  spanId: string
  parentSpanId: string | null
  isParentRemote: boolean
  /** Unix ms, with fractions. */
  startMs: number
  endMs: number
  attributes: KnownAttributes
  error: string | null
}

/** Traces of this process, while they are on. */
export interface Tracing {
  start(name: string, options: SpanOptions): OpenSpan
  active(): TraceParent | null
  /** For spans that are made by hand: the sampler's word, an exact coin flip where there is no parent. */
  samples(parent: TraceParent | null): boolean
  newTraceId(): string
  newSpanId(): string
  /** Sends it on; its trace is sampled. */
  ended(span: EndedSpan): void
}

let current: Tracing | null = null

/** One for the process, as its log is: what it is asked for lies within drivers and transports. Null while traces are off. */
export function currentTracing(): Tracing | null {
  return current
}

export function setTracing(tracing: Tracing | null): void {
  current = tracing
}

/** Of the active span, for what is done elsewhere because of it; null where there is none. */
export function currentTraceparent(): string | null {
  const position = current?.active() ?? null
  return position === null ? null : traceparentOf(position)
}

/**
 * Runs `work` in a span, which ends when its result is there. While traces are off it only runs it, with null.
 *
 * @throws what `work` throws; of the error the span is told its code or class, never its message.
 */
export function inSpan<T>(name: string, options: SpanOptions, work: (span: OpenSpan | null) => T): T {
  if (current === null) return work(null)
  const span = current.start(name, options)
  const failed = (error: unknown): void => {
    span.fail(errorType(error))
    span.end()
  }
  try {
    const result = span.run(() => work(span))
    if (result instanceof Promise) result.then(() => span.end(), failed)
    else span.end()
    return result
  } catch (error) {
    failed(error)
    throw error
  }
}

/** A code if it has one (a SQLSTATE, `ECONNREFUSED`), else its class. */
export function errorType(error: unknown): string {
  if (!(error instanceof Error)) return '_OTHER'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && code !== '' ? code : error.name
}
