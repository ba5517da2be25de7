import type { UsageEventDraft } from '../../apps/proxy/src/usage/index.ts'

/** Answers as a proxy records them: of `keys` keys of half as many users, few of them busy; a key uses two of 50 routes. */
export class EventMaker {
  readonly #keys: number
  #state = 1

  constructor(keys: number) {
    this.#keys = keys
  }

  make(): UsageEventDraft {
    // Most are of the first keys: half of them of a quarter.
    const key = Math.floor(this.#random() ** 2 * this.#keys)
    const [which, chance] = [this.#random(), this.#random()]
    const route = (key * 2 + (which < 0.7 ? 0 : 1)) % 50
    return {
      created_at: new Date().toISOString(),
      user_id: `usr_01KAHZ3M8QX${String(key >> 1).padStart(15, '0')}`,
      group_id: null,
      api_key_id: `key_01KAHZ3M8QX${String(key).padStart(15, '0')}`,
      plan_id: 'plan_01KAHZ3M8QX000000000000000',
      route_id: `rte_01KAHZ3M8QX${String(route).padStart(15, '0')}`,
      upstream_id: 'ups_01KAHZ3M8QX000000000000000',
      method: which < 0.9 ? 'GET' : 'POST',
      path: `/api/service-${route}/items/${Math.floor(chance * 100_000)}`,
      status_code: chance < 0.97 ? 200 : 404,
      latency_ms: Math.floor(chance * 50),
      request_bytes: which < 0.9 ? 0 : 512,
      response_bytes: 1_024,
      metered_units: 1,
      error_code: null,
      metering_error: null,
      request_id: `5f0c2f8e-${String(Math.floor(chance * 9_000) + 1_000)}-4c59-9a6f-${String(key).padStart(12, '0')}`,
      config_revision: 1_234,
      client_ip: '203.0.113.77',
    }
  }

  /** In [0, 1): xorshift, so that every run has the same events. */
  #random(): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) / 2 ** 32
  }
}
