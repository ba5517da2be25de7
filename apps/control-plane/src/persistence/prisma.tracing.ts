import { currentTracing, inSpan, type SpanAttributes } from '@apigate/platform'
import { setGlobalTracingHelper } from '@prisma/instrumentation-contract'

/** Of what Prisma tells: the rest is its inside, and its queries are told by `traceQueries`. */
const shown = new Set(['operation', 'transaction'])

/** Tells Prisma's operations (`User.create`) and transactions, within spans that are there already. */
export function tracePrisma(): void {
  setGlobalTracingHelper({
    isEnabled: () => currentTracing() !== null,
    // For engines that run elsewhere, of which there is none.
    getTraceParent: () => '00-10-10-00',
    dispatchEngineSpans: (_spans, events, emitLogEvent) => events.forEach(emitLogEvent),
    getActiveContext: () => undefined,
    runInChildSpan(options, callback) {
      const name = typeof options === 'string' ? options : options.name
      if (!shown.has(name) || !currentTracing()?.active()) return callback()
      const attributes = (typeof options === 'string' ? {} : { ...options.attributes }) as SpanAttributes
      return inSpan(`prisma:client:${name}`, { kind: 'internal', attributes }, () => callback())
    },
  })
}
