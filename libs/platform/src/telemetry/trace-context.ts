/** A position in a trace, as W3C Trace Context says it. */
export interface TraceParent {
  /** 32 lower-case hex digits, not all 0. */
  traceId: string
  /** 16 lower-case hex digits, not all 0. */
  spanId: string
  isSampled: boolean
}

const traceparentShape = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * A `traceparent` header (W3C Trace Context §3.2), or null for one that is not usable. Of a later version what this one knows is
 * read (§3.2.4).
 */
export function parseTraceparent(header: string | undefined): TraceParent | null {
  const parts = header === undefined ? null : traceparentShape.exec(header)
  if (parts === null || (parts[1] === '00' && parts[5] !== undefined)) return null
  return { traceId: parts[2]!, spanId: parts[3]!, isSampled: (Number.parseInt(parts[4]!, 16) & 1) === 1 }
}

export function traceparentOf({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}
