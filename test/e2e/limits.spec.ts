import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modes, startSystem, type RunningSystem } from './system.ts'

describe.each(modes)('%s: limits', (mode) => {
  let system: RunningSystem
  beforeAll(async () => {
    system = await startSystem(mode)
  })
  afterAll(() => system?.stop())

  test('a month’s quota outlives the worker, and units of a meter count', async () => {
    const create = async (collection: string, attributes: object): Promise<any> => {
      const { status, document } = await system.admin('POST', `/api/${collection}`, attributes)
      expect(status).toBe(201)
      return document.data
    }
    const plan = await create('plans', { name: 'six', requests_per_month: 6, rate_limit_per_minute: 0 })
    const user = await create('users', { email: 'six@example.com', plan_id: plan.id })
    const key = await create('api-keys', { user_id: user.id })
    const ask = async (): Promise<Response> =>
      fetch(`${system.proxyUrl}/echo/x`, { headers: { 'x-api-key': key.meta.key } })
    const first = await waitFor(async () => {
      const response = await ask()
      return response.status === 200 ? response : null
    })
    expect(first.headers.get('x-quota-used')).toBe('1')
    for (const used of ['2', '3']) expect((await ask()).headers.get('x-quota-used')).toBe(used)
    const usedOf = async (): Promise<number> => {
      const { document } = await system.admin('GET', `/api/users/${user.id}/usage`)
      return document.data.attributes.metered_units
    }
    await waitFor(async () => (await usedOf()) === 3, { timeoutMs: 15_000 })

    await system.restart('SIGKILL')
    await waitFor(async () => (await ask()).headers.get('x-quota-used') === '4', { timeoutMs: 15_000 })
    const event = { id: 'one', units: 2, user_id: user.id }
    expect((await system.admin('POST', '/api/v1/meter', { events: [event] })).status).toBe(200)
    // A worker in embedded mode looks into the ledger every ten seconds.
    const refused = await waitFor(
      async () => {
        const response = await ask()
        return response.status === 402 ? response : null
      },
      { timeoutMs: 20_000 },
    )
    expect(refused.headers.get('x-quota-remaining')).toBe('0')
    expect(refused.headers.get('x-quota-warning')).toBe('exceeded')
  })
})
