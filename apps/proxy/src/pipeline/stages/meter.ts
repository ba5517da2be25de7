import { usageBounds } from '@apigate/contracts'
import { expressionUnits, meteredUnits } from '@apigate/core'
import type { Exchange } from '../exchange.ts'
import { MeteringFacts } from '../metering-facts.ts'

/**
 * What the exchange costs. An answer of the upstream is metered, also when it broke off or the client went away before
 * its end; what the gateway answered itself costs nothing.
 */
export function meter(exchange: Exchange): void {
  if (exchange.isOwnAnswer || !exchange.isForwarded) return
  const { mode, expression } = exchange.match!.route.meter
  if (expression === null) {
    exchange.units = meteredUnits(mode, exchange)
    return
  }
  const { units, error } = expressionUnits(expression, new MeteringFacts(exchange, exchange.kept!))
  const isTooMuch = units > usageBounds.meteredUnitsMax
  exchange.units = isTooMuch ? usageBounds.meteredUnitsMax : units
  exchange.meteringError = isTooMuch ? 'out_of_bounds' : error
}
