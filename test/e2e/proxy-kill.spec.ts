import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Clients } from '../chaos/clients.ts'
import { startSystem, type RunningSystem } from './system.ts'

let system: RunningSystem
beforeAll(async () => {
  system = await startSystem('embedded')
})
afterAll(() => system?.stop())

test('every answer that a client had whole when its proxy was killed is in the ledger once after the restart', async () => {
  const create = async (collection: string, attributes: object): Promise<any> =>
    (await system.admin('POST', `/api/${collection}`, attributes)).document.data
  const plan = await create('plans', { name: 'free', rate_limit_per_minute: 0 })
  const user = await create('users', { email: 'free@example.com', plan_id: plan.id })
  const key = await create('api-keys', { user_id: user.id })
  const headers = { 'x-api-key': key.meta.key }
  await waitFor(async () => (await fetch(`${system.proxyUrl}/echo/x`, { headers })).status === 200)

  const clients = new Clients([system.proxyUrl])
  const whole = (): string[] => [...clients.attempts].flatMap(([id, { status }]) => (status === 200 ? [id] : []))
  clients.start([{ name: 'free', key: key.meta.key, paths: ['/echo/x', '/echo/bytes/300000'], ratePerSecond: 200 }])
  for (let kill = 0; kill < 3; kill++) {
    const before = whole().length
    await waitFor(() => whole().length > before + 100, { timeoutMs: 20_000 })
    const pid = system.pids()[3]!
    process.kill(pid, 'SIGKILL')
    await waitFor(() => system.pids()[3] !== pid, { timeoutMs: 10_000 })
    await waitFor(async () => (await fetch(`${system.statusUrl}/readyz`)).ok, { timeoutMs: 20_000 })
  }
  await clients.stop()
  const answered = whole()
  expect(answered.length).toBeLessThan(clients.attempts.size)

  const isDrained = async (): Promise<boolean> => {
    const status: any = await (await fetch(`${system.statusUrl}/status`)).json()
    return status.spoolEvents + status.inFlight === 0
  }
  await waitFor(isDrained, { timeoutMs: 30_000 })
  const counts = new Map<string, number>()
  for (let url = `/api/usage-events?filter[user]=${user.id}&page[after]=&page[size]=100`; url;) {
    const { document } = await system.admin('GET', url)
    for (const { attributes } of document.data) {
      counts.set(attributes.request_id, (counts.get(attributes.request_id) ?? 0) + 1)
    }
    url = document.links.next
  }
  expect(answered.filter((id) => counts.get(id) !== 1)).toEqual([])
  expect([...counts].filter(([id, count]) => id.startsWith('chaos-') && count > 1)).toEqual([])
})
