import { meteredUnits } from '@apigate/core'
import type { Exchange } from '../exchange.ts'

/**
 * What the exchange costs. An answer of the upstream is metered, also when it broke off or the client went away before
 * its end; what the gateway answered itself costs nothing.
 */
export function meter(exchange: Exchange): void {
  if (exchange.isOwnAnswer || !exchange.isForwarded) return
  exchange.units = meteredUnits(exchange.route!.meteringMode, exchange)
}
