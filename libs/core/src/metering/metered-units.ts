import type { MeteringMode } from '../model.ts'

/** What is known of an answered request. Bytes are body bytes. */
export interface MeteringFacts {
  requestBytes: number
  responseBytes: number
}

/**
 * Units that an answer of the upstream costs: 1 for `request`, the sum of both bodies for `bytes`. The modes with an
 * expression are refused when a route is written (`unsupportedProblems`). What the gateway refused itself costs 0, and
 * is not asked here.
 */
export function meteredUnits(mode: MeteringMode, facts: MeteringFacts): number {
  return mode === 'bytes' ? facts.requestBytes + facts.responseBytes : 1
}
