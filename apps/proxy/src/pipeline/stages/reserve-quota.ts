import type { QuotaReservation } from '../../limits/limits.ts'
import type { Exchange } from '../exchange.ts'
import { limitsAway, refusal, type Refusal } from '../refusal.ts'

const exceeded = refusal('quota_exceeded')

/** Reserves one unit of the owner's month; what the answer really cost is settled when it is recorded. */
export function reserveQuota(exchange: Exchange): Refusal | null | Promise<Refusal | null> {
  if (exchange.owner === null || exchange.plan === null) return null
  const reservation = exchange.gateway.limits.reserve(exchange)
  return reservation instanceof Promise
    ? reservation.then((later) => keep(exchange, later))
    : keep(exchange, reservation)
}

function keep(exchange: Exchange, reservation: QuotaReservation): Refusal | null {
  if (exchange.isFinished) {
    // The client went away while the store was asked.
    if (reservation.admitted) exchange.gateway.limits.settle(reservation, 0)
    return null
  }
  exchange.quota = reservation
  if (reservation.admitted) return null
  exchange.token = exchange.gateway.limits.bucketLevel(exchange)
  return reservation.isAway ? limitsAway : exceeded
}
