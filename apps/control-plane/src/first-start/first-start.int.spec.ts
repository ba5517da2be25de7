import { randomBytes } from 'node:crypto'
import { createLogger } from '@apigate/platform'
import { createTestDatabase, waitFor } from '@apigate/testing'
import { describe, expect, test } from 'vitest'
import { createApiApp } from '../api.app.ts'
import { loadConfig, type ControlPlaneConfig } from '../config.ts'
import { Database } from '../persistence/index.ts'
import { FirstStart } from './index.ts'

test('three replicas that start at once on an empty database make one plan and one key, and a later start none', async () => {
  const testDatabase = await createTestDatabase()
  const config = loadConfig({
    DATABASE_URL: testDatabase.url,
    APIGATE_ADMIN_KEY: `ak_${randomBytes(32).toString('hex')}`,
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  })
  const start = () => createApiApp(config, createLogger({ name: 'api', level: 'silent' }))
  const replicas = await Promise.all([start(), start(), start()])
  try {
    await waitFor(() => replicas.every((app) => app.get(FirstStart).done))
    replicas.push(await start())
    await waitFor(() => replicas.every((app) => app.get(FirstStart).done))
    const { prisma } = replicas[0].get(Database)
    expect(await prisma.plan.findMany()).toMatchObject([{ name: 'Free', isDefault: true }])
    expect(await prisma.apiKey.findMany()).toMatchObject([{ scopes: ['admin:read', 'admin:write'], userId: null }])
    const audit = await prisma.auditEvent.findMany({ orderBy: { id: 'asc' } })
    expect(audit.map(({ actorType, action }) => `${actorType} ${action}`).toSorted()).toEqual([
      'system api_keys.create',
      'system plans.create',
    ])
    expect((await prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })).revision).toBe(2n)
  } finally {
    await Promise.all(replicas.map((app) => app.close()))
    await testDatabase.drop()
  }
})

describe('the first admin account', () => {
  const password = 'the first password'
  const settings = (databaseUrl: string, email: string | null, secret = password) =>
    loadConfig({
      DATABASE_URL: databaseUrl,
      APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      ...(email !== null && { APIGATE_ADMIN_EMAIL: email, APIGATE_ADMIN_PASSWORD: secret }),
    })
  const log: string[] = []
  const start = (config: ControlPlaneConfig) =>
    createApiApp(
      config,
      createLogger({ name: 'api', level: 'warn', destination: { write: (line) => void log.push(line) } }),
    )
  type App = Awaited<ReturnType<typeof start>>
  const started = (apps: App[]) => waitFor(() => apps.every((app) => app.get(FirstStart).done))
  const setupRequired = async (app: App): Promise<boolean> =>
    (await app.inject({ url: '/auth/setup-required' })).json().meta.setup_required
  const signIn = async (app: App, payload: object): Promise<number> =>
    (await app.inject({ method: 'POST', url: '/auth/login', payload })).statusCode

  test('is one, though three replicas start at once, and stays as it is at later starts', async () => {
    const testDatabase = await createTestDatabase()
    const replicas: App[] = []
    try {
      replicas.push(await start(settings(testDatabase.url, null)))
      await started(replicas)
      expect(await setupRequired(replicas[0] as App)).toBe(true)
      const emails = ['Root@example.com', 'Root@example.com', 'other@example.com']
      replicas.push(...(await Promise.all(emails.map((email) => start(settings(testDatabase.url, email))))))
      await started(replicas)
      const { prisma } = (replicas[0] as App).get(Database)
      const users = await prisma.user.findMany()
      expect(users).toMatchObject([{ role: 'admin', status: 'active' }])
      expect(await setupRequired(replicas[0] as App)).toBe(false)
      const { email = '' } = users[0] ?? {}
      expect(await signIn(replicas[0] as App, { email, password })).toBe(201)

      replicas.push(await start(settings(testDatabase.url, 'Root@example.com', 'quite another password')))
      await started(replicas)
      expect(await prisma.user.count()).toBe(1)
      expect(await signIn(replicas[0] as App, { email, password: 'quite another password' })).toBe(401)
      const audit = await prisma.auditEvent.findMany({ where: { action: 'users.create' } })
      expect(audit).toMatchObject([{ actorType: 'system', after: { role: 'admin', password: '[masked]' } }])
      expect(log.join('')).not.toContain(password)
    } finally {
      await Promise.all(replicas.map((app) => app.close()))
      await testDatabase.drop()
    }
  })

  test('is not made of a customer who has its address: the process starts, and says so', async () => {
    const testDatabase = await createTestDatabase()
    const replicas: App[] = []
    try {
      replicas.push(await start(settings(testDatabase.url, null)))
      await started(replicas)
      const { prisma } = (replicas[0] as App).get(Database)
      const { id: planId } = await prisma.plan.findFirstOrThrow()
      await prisma.user.create({ data: { id: 'usr_c', email: 'taken@example.com', planId } })
      replicas.push(await start(settings(testDatabase.url, 'Taken@example.com')))
      await started(replicas)
      expect(await prisma.user.findMany()).toMatchObject([{ role: 'customer', passwordHash: null }])
      expect(await setupRequired(replicas[1] as App)).toBe(true)
      expect(log.join('')).toContain('APIGATE_ADMIN_EMAIL')
    } finally {
      await Promise.all(replicas.map((app) => app.close()))
      await testDatabase.drop()
    }
  })
})
