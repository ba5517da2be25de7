import type { RateDecision } from '../../limits/limits.ts'
import type { Exchange } from '../exchange.ts'
import { limitsAway, refusal, type Refusal } from '../refusal.ts'

const exceeded = refusal('rate_limit_exceeded')

/** Takes one token of the key's bucket. */
export function takeRateToken(exchange: Exchange): Refusal | null | Promise<Refusal | null> {
  if (exchange.plan === null) return null
  const decision = exchange.gateway.limits.takeToken(exchange)
  return decision instanceof Promise ? decision.then((later) => keep(exchange, later)) : keep(exchange, decision)
}

function keep(exchange: Exchange, decision: RateDecision): Refusal | null {
  exchange.token = decision
  if (decision.admitted) return null
  if (decision.isAway) return limitsAway
  const seconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000))
  return { ...exceeded, headers: [...exceeded.headers, 'retry-after', String(seconds)] }
}
