import type { Exchange } from '../exchange.ts'
import { refusal, unauthorized, type Refusal } from '../refusal.ts'

const suspended = { user: refusal('user_suspended'), group: refusal('group_suspended') }
const ownerless = unauthorized('invalid_api_key', 'The key belongs to nobody.')
const planless = refusal('forbidden', 'The owner of the key has no plan.')

/** Lets the key's user or group pass if it is active, and finds its plan. */
export function checkOwner(exchange: Exchange): Refusal | null {
  if (exchange.keyId === null) return null
  const { owner } = exchange
  if (owner === null) return ownerless
  exchange.plan = exchange.tables!.plans.get(owner.planId) ?? null
  if (owner.status !== 'active') return suspended[owner.kind]
  return exchange.plan === null ? planless : null
}
