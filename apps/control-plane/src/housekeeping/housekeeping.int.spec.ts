import { createLogger } from '@apigate/platform'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { Housekeeping } from './housekeeping.ts'
import { HousekeepingRepository } from './housekeeping.repository.ts'

const dayMs = 86_400_000
let api: TestApi
let replicas: Housekeeping[]
beforeAll(async () => {
  api = await startTestApi()
  const log = createLogger({ name: 'test', level: 'silent' })
  const retention = { webhookRetentionDays: 30, auditRetentionDays: 365 }
  replicas = [1, 2].map(() => new Housekeeping(new HousekeepingRepository(api.database), retention, log))
  const url = 'https://93.184.216.34/'
  await api.create('webhooks', { name: 'w', url, events: ['key.expired'] })
})
afterAll(() => api?.stop())

const all = (work: (one: Housekeeping) => Promise<void>): Promise<void[]> => Promise.all(replicas.map(work))
const raised = async (): Promise<string[]> => {
  const events = await api.database.prisma.webhookEvent.findMany({ orderBy: { id: 'asc' } })
  return events.map(({ type, payload }) => `${type} ${(payload as { id: string }).id}`)
}
const inDays = (days: number): Date => new Date(Date.now() + days * dayMs)

test('a key that expires is told of once, by however many processes; a revoked one is not; one with a new end is again', async () => {
  const scopes = ['admin:read']
  for (const id of ['key_a', 'key_b']) await api.create('api-keys', { id, scopes, expires_at: inDays(1) })
  await api.create('api-keys', { id: 'key_later', scopes, expires_at: inDays(9) })
  await api.create('api-keys', { id: 'key_never', scopes })
  await api.call('POST', '/api/api-keys/key_b/revoke')
  await all((one) => one.noteExpiredKeys(new Date()))
  expect(await raised()).toEqual([])
  for (const _ of [1, 2]) await all((one) => one.noteExpiredKeys(inDays(2)))
  expect(await raised()).toEqual(['key.expired key_a'])
  await api.database.prisma.apiKey.update({ where: { id: 'key_a' }, data: { expiresAt: inDays(3) } })
  await all((one) => one.noteExpiredKeys(inDays(2)))
  expect(await raised()).toHaveLength(1)
  await all((one) => one.noteExpiredKeys(inDays(4)))
  expect(await raised()).toEqual(['key.expired key_a', 'key.expired key_a'])
})

test('events of webhooks and audit rows go when their time is over, and not before', async () => {
  const { prisma } = api.database
  const counts = async (): Promise<number[]> => [
    await prisma.webhookEvent.count(),
    await prisma.webhookDelivery.count(),
    await prisma.auditEvent.count(),
  ]
  const before = await counts()
  expect(Math.min(...before)).toBeGreaterThan(0)
  await all((one) => one.deleteOld(inDays(29).getTime()))
  expect(await counts()).toEqual(before)
  await all((one) => one.deleteOld(inDays(31).getTime()))
  expect(await counts()).toEqual([0, 0, before[2]])
  await all((one) => one.deleteOld(inDays(366).getTime()))
  expect(await counts()).toEqual([0, 0, 0])
})
