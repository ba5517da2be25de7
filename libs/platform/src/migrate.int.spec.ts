import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrationsDir, testServers, waitFor } from '@apigate/testing'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyMigrations } from './migrate.ts'

const names = readdirSync(migrationsDir)
  .filter((name) => /^\d/.test(name))
  .toSorted()
let url: string
let dir: string
const clients: pg.Client[] = []

async function connected(to: string): Promise<pg.Client> {
  const client = new pg.Client(to)
  await client.connect()
  clients.push(client)
  return client
}
beforeEach(async () => {
  const name = `test_${randomBytes(8).toString('hex')}`
  await (await connected(testServers.databaseUrl)).query(`CREATE DATABASE "${name}"`)
  const own = new URL(testServers.databaseUrl)
  own.pathname = `/${name}`
  url = own.href
  dir = mkdtempSync(path.join(tmpdir(), 'apigate-migrations-'))
})
afterEach(async () => {
  rmSync(dir, { recursive: true })
  const [server, ...others] = clients.splice(0)
  for (const client of others) await client.end()
  await server!.query(`DROP DATABASE "${new URL(url).pathname.slice(1)}" WITH (FORCE)`)
  await server!.end()
})

function add(name: string, sql: string): void {
  mkdirSync(path.join(dir, name), { recursive: true })
  writeFileSync(path.join(dir, name, 'migration.sql'), sql)
}

test('several that migrate at once do it together once, and one more does nothing', async () => {
  const applied = await Promise.all([1, 2, 3].map(() => applyMigrations(url, migrationsDir)))
  expect(applied.flat().toSorted()).toEqual(names)
  expect(await applyMigrations(url, migrationsDir)).toEqual([])
})

test('a database of the version before gets what is missing, and keeps what it has', async () => {
  cpSync(migrationsDir, dir, { recursive: true })
  const newest = names.at(-1)!
  rmSync(path.join(dir, newest), { recursive: true })
  expect(await applyMigrations(url, dir)).toEqual(names.slice(0, -1))
  const client = await connected(url)
  await client.query(`INSERT INTO plans (id, name) VALUES ('plan_old', 'of the version before')`)
  expect(await applyMigrations(url, migrationsDir)).toEqual([newest])
  expect((await client.query('SELECT name FROM plans')).rows).toEqual([{ name: 'of the version before' }])
  // The version before, started again: what is newer than it is none of its business.
  expect(await applyMigrations(url, dir)).toEqual([])
})

test('the newest one waits for a ledger that writes: neither stands in the way of the other', async () => {
  cpSync(migrationsDir, dir, { recursive: true })
  rmSync(path.join(dir, names.at(-1)!), { recursive: true })
  await applyMigrations(url, dir)
  const ledger = await connected(url)
  // As a worker's batch is written: its events, and then the sums.
  await ledger.query('BEGIN')
  await ledger.query(`INSERT INTO usage_events (id, created_at, method, path, status_code, latency_ms, request_bytes,
    response_bytes, metered_units, request_id, config_revision) VALUES ('e', now(), 'GET', '/', 200, 1, 1, 1, 1, 'r', 1)`)
  const migrated = Promise.allSettled([applyMigrations(url, migrationsDir)])
  const isWaiting = async (): Promise<boolean> => {
    const { rows } = await ledger.query(`SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
      WHERE NOT granted AND locktype = 'relation' AND datname = current_database()`)
    return rows.length > 0
  }
  await Promise.race([migrated, waitFor(isWaiting, { what: 'a lock that is waited for' })])
  await ledger.query(`INSERT INTO usage_daily (day, status_class, requests, metered_units, request_bytes, response_bytes)
    VALUES (now(), 2, 1, 1, 1, 1)`)
  await ledger.query('COMMIT')
  expect(await migrated).toEqual([{ status: 'fulfilled', value: [names.at(-1)] }])
})

test('a file that fails leaves nothing of it, and stops every later one until it is looked at', async () => {
  add('1_good', 'CREATE TABLE good (id int)')
  add('2_bad', 'CREATE TABLE half (id int); SELECT 1 / 0')
  add('3_later', 'CREATE TABLE later (id int)')
  await expect(applyMigrations(url, dir)).rejects.toThrow('division by zero')
  const { rows } = await (
    await connected(url)
  ).query(`SELECT relname FROM pg_class WHERE relname IN ('good', 'half', 'later')`)
  expect(rows).toEqual([{ relname: 'good' }])
  await expect(applyMigrations(url, dir)).rejects.toThrow('2_bad failed before')
})

test('a file that was edited after it had been applied is refused', async () => {
  add('1_good', 'CREATE TABLE good (id int)')
  await applyMigrations(url, dir)
  add('1_good', 'CREATE TABLE good (id bigint)')
  await expect(applyMigrations(url, dir)).rejects.toThrow('1_good was edited')
})
