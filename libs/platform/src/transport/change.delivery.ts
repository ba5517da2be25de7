import type { ChangeMessage } from '@apigate/contracts'
import { parseTraceparent } from '../telemetry/trace-context.ts'
import { currentTracing, inSpan } from '../telemetry/tracing.ts'
import type { ConfigFeedHandlers } from './transport.ts'

/** Hands a change to who follows the feed; in a span of its own if the write that made it is traced. */
export function deliverChange(message: ChangeMessage, handlers: ConfigFeedHandlers, system: string): void {
  const parent = currentTracing() === null ? null : parseTraceparent(message.traceparent)
  if (parent === null) {
    handlers.onChange(message)
    return
  }
  const attributes = messageAttributes(system, 'config.changes', 'process', message)
  inSpan('process config.changes', { kind: 'consumer', attributes, parent }, () => handlers.onChange(message))
}

/** OpenTelemetry's conventions for messaging. */
export function messageAttributes(
  system: string,
  destination: string,
  operation: 'send' | 'process',
  change?: ChangeMessage,
): Record<string, string | number | undefined> {
  return {
    'messaging.system': system,
    'messaging.destination.name': destination,
    'messaging.operation.type': operation,
    'messaging.operation.name': operation,
    'apigate.config.revision': change?.revision,
  }
}
