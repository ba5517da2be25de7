import type { MeteringContext } from '../src/metering/index.ts'

/** An answer with nothing special about it; name what the test is about. */
export function aMeteringContext(over: Partial<MeteringContext> = {}): MeteringContext {
  return {
    status: 200,
    method: 'POST',
    path: '/v1/items',
    params: {},
    query: {},
    requestBytes: 10,
    responseBytes: 20,
    latencyMs: 30,
    requestHeaders: {},
    requestBody: null,
    responseHeaders: {},
    responseBody: null,
    sseEvents: null,
    sseLast: null,
    sseUsage: null,
    messagesIn: 0,
    messagesOut: 0,
    ...over,
  }
}
