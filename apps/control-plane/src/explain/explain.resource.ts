import type { Explanation } from '@apigate/contracts'
import { defineResource } from '../jsonapi/index.ts'

/** The attributes as they go out: kept nowhere, so there is no URL to read them at again. */
export function explanationRow(id: string, explanation: Explanation) {
  const { v: _, rateLimit, quota, nearMisses, ...rest } = explanation
  return {
    id,
    ...rest,
    nearMisses: nearMisses.map(({ lostBy, ...miss }) => ({ ...miss, lost_by: lostBy })),
    rateLimit: rateLimit && timed(rateLimit),
    quota: quota && timed(quota),
  }
}

function timed<T extends { resetAtMs: number }>({ resetAtMs, ...state }: T) {
  return { ...state, reset_at: new Date(resetAtMs).toISOString() }
}

export const explanationResource = defineResource<ReturnType<typeof explanationRow>>({
  type: 'explanations',
  path: '/api/explain',
  idPrefix: 'exp',
  attributes: {
    worker: { kind: 'text' },
    config_revision: { kind: 'bigint', nullable: true },
    refusal: { kind: 'json', nullable: true },
    request: { kind: 'json', nullable: true },
    route: { kind: 'json', nullable: true },
    near_misses: { kind: 'json' },
    key: { kind: 'json', nullable: true },
    owner: { kind: 'json', nullable: true },
    plan: { kind: 'json', nullable: true },
    rate_limit: { kind: 'json', nullable: true },
    quota: { kind: 'json', nullable: true },
    upstream: { kind: 'json', nullable: true },
    metering: { kind: 'json', nullable: true },
  },
})
