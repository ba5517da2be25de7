import { randomBytes } from 'node:crypto'
import { createLogger } from '@apigate/platform'
import { createTestDatabase, waitFor } from '@apigate/testing'
import { expect, test } from 'vitest'
import { createApiApp } from '../api.app.ts'
import { loadConfig } from '../config.ts'
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
