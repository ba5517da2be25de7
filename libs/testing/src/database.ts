import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { applyMigrations } from '@apigate/platform'
import pg from 'pg'
import { testServers } from './config.ts'

export interface TestDatabase {
  url: string
  /** Closes the database for good, other connections included. */
  drop(): Promise<void>
}

/** `prisma/migrations` of this repository. */
export const migrationsDir = path.resolve(import.meta.dirname, '../../../prisma/migrations')

/** A new, migrated database on the test server, for one test file. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await onServer(`CREATE DATABASE "${name}"`)
  const url = new URL(testServers.databaseUrl)
  url.pathname = `/${name}`
  await applyMigrations(url.href, migrationsDir)
  return { url: url.href, drop: () => onServer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) }
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: testServers.databaseUrl })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
