import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { programEnv, providePostgres } from '../../scripts/debian-packages.mjs'
import { drain, prepare } from '../chaos/chaos.ts'
import { Clients, type Customer } from '../chaos/clients.ts'
import { startChaosSystem, type ChaosSystem } from '../chaos/system.ts'
import { judge } from '../chaos/verdict.ts'

let dir: string
let system: ChaosSystem
let upstream: FakeUpstream
let customers: Customer[]
let owners: Map<string, string>
let native: string

/** The commands of a section of docs/backup.md. */
function commandsOf(section: string): string[] {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/backup.md'), 'utf8')
  const [, commands = ''] = new RegExp(`^## ${section}\n[^]*?\`\`\`sh\n([^]*?)\`\`\``, 'm').exec(text) ?? []
  return commands.trim().split('\n')
}

/** As somebody would paste it. */
async function paste(command: string | undefined): Promise<void> {
  const server = new URL(system.databaseUrl)
  server.pathname = '/postgres'
  const PATH = `${native}/bin:${process.env['PATH']}`
  const env = { ...programEnv(), PATH, DATABASE_URL: system.databaseUrl, MAINTENANCE_URL: server.href }
  await promisify(execFile)('bash', ['-ec', command ?? 'false'], { cwd: dir, env })
}

const call = async (url: string, key: string): Promise<number> => {
  const response = await fetch(`${url}/small`, { headers: { 'x-api-key': key } })
  await response.arrayBuffer()
  return response.status
}
const newKey = async (): Promise<string> => {
  const { data: user } = await system.admin('POST', '/api/users', { email: `${Math.random()}@example.com` })
  const { data } = await system.admin('POST', '/api/api-keys', { user_id: user.id })
  for (const { url } of system.proxies) await waitFor(async () => (await call(url, data.meta.key)) === 200)
  return data.meta.key
}
const configuration = async (): Promise<unknown> => {
  const lists = ['plans', 'users', 'api-keys', 'routes', 'upstreams'].map(async (name) => {
    const { data } = await system.admin('GET', `/api/${name}?page[size]=100&sort=id`)
    return data.map(({ id, attributes }: any) => ({ id, attributes: { ...attributes, last_used: null } }))
  })
  return Promise.all(lists)
}
const epochs = async (): Promise<string[]> => {
  const { data } = await system.admin('GET', '/api/workers')
  return data.map(({ attributes }: any) => `${attributes.config_epoch} ${attributes.lag} ${attributes.problem}`)
}

beforeAll(async () => {
  native = providePostgres()
  dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-restore-'))
  upstream = await startFakeUpstream()
  upstream.handle((_request, response) => response.end('small'))
  system = await startChaosSystem(dir, { native })
  const rates = { busy: 40, free: 20, limited: 20, quota: 10 }
  ;({ customers, owners } = await prepare(system, upstream.url, rates))
})
afterAll(async () => {
  await system?.stop()
  await upstream?.close()
  rmSync(dir, { recursive: true, force: true })
})

test('dump, wipe, restore: proxies go on, the configuration is what it was everywhere, and usage on its way counts once', async () => {
  await drain(system)
  const before = await configuration()
  const [epochBefore] = new Set(await epochs())
  const [dump, ...noMore] = commandsOf('Back up')
  const [drop, create, restore, ...neither] = commandsOf('Restore')
  expect([noMore, neither]).toEqual([[], []])
  await paste(dump)

  // What comes after the copy: a key, and usage that the ledger acknowledges.
  const lostKey = await newKey()
  await drain(system)
  const clients = new Clients(system.proxies.map(({ url }) => url))
  clients.start(customers)
  await waitFor(() => clients.attempts.size > 50)

  await paste(drop)
  const sentBefore = clients.attempts.size
  await paste(create)
  await waitFor(async () => (await fetch(`${system.adminUrls[0]}/readyz`)).status === 503)
  await waitFor(() => clients.attempts.size > sentBefore + 100)
  await paste(restore)
  await waitFor(async () => (await fetch(`${system.adminUrls[0]}/readyz`)).ok, { timeoutMs: 15_000 })

  // Every proxy goes over to what was restored, and says so.
  for (const { url } of system.proxies) {
    await waitFor(async () => (await call(url, lostKey)) === 401, { timeoutMs: 20_000 })
  }
  await waitFor(
    async () => {
      const now = new Set(await epochs())
      return now.size === 1 && !now.has(epochBefore ?? '') && [...now][0]!.endsWith(' 0 null')
    },
    { timeoutMs: 15_000 },
  )
  expect(await configuration()).toEqual(before)
  await newKey()
  await clients.stop()

  // No client has noticed.
  expect([...clients.attempts.values()].flatMap(({ problem }) => problem ?? [])).toEqual([])
  const statuses = new Set([...clients.attempts.values()].map(({ status }) => status))
  expect([...statuses].filter((status) => status !== 200 && status !== 429)).toEqual([])

  await drain(system)
  const ids = await requestIds()
  expect(new Set(ids).size).toBe(ids.length)
  const known = new Set(ids)
  const missing = new Set([...clients.attempts.keys()].filter((id) => !known.has(id)))
  const sentAfter = [...clients.attempts.keys()].slice(sentBefore)
  expect(sentAfter.filter((id) => missing.has(id))).toEqual([])
  // What had been acknowledged between the copy and the loss is missing, and is said to be.
  const { data: gaps } = await system.admin('GET', '/api/usage-gaps')
  const told = gaps.reduce((sum: number, { attributes }: any) => sum + attributes.events, 0)
  expect(told).toBeGreaterThanOrEqual(Math.max(system.proxies.length, missing.size))
  const { differences } = await judge(system.databaseUrl, new Map(), owners, [])
  expect(differences.filter((line) => /sums|periods/.test(line))).toEqual([])
})

async function requestIds(): Promise<string[]> {
  const client = new pg.Client(system.databaseUrl)
  await client.connect()
  const { rows } = await client.query<{ id: string }>(
    `SELECT request_id AS id FROM usage_events WHERE request_id LIKE 'chaos-%'`,
  )
  await client.end()
  return rows.map(({ id }) => id)
}
