import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestDatabase, waitFor, type TestDatabase } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../scripts/ports.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const files = {
  api: 'apps/control-plane/dist/main.api.js',
  jobs: 'apps/control-plane/dist/main.jobs.js',
  migrate: 'apps/control-plane/dist/main.migrate.js',
  proxy: 'apps/proxy/dist/main.js',
}

let database: TestDatabase
let taken: net.Server
let dir: string
beforeAll(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-processes-'))
  database = await createTestDatabase()
  taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  taken.close()
  await database.drop()
  rmSync(dir, { recursive: true })
})

/** With nothing but these settings, until it ends. */
async function run(name: keyof typeof files, env: Record<string, string>): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [path.join(root, files[name])], { cwd: dir, env })
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, said }
}

test.each([
  ['api', ['DATABASE_URL is not set', 'APIGATE_ENCRYPTION_KEY is not set', 'APIGATE_DRAIN_SECONDS must be']],
  ['jobs', ['DATABASE_URL is not set', 'APIGATE_ENCRYPTION_KEY is not set', 'APIGATE_DRAIN_SECONDS must be']],
  ['proxy', ['DATABASE_URL is not set', 'APIGATE_ENCRYPTION_KEY is not set', 'APIGATE_DRAIN_SECONDS must be']],
  ['migrate', ['DATABASE_URL is not set', 'LOG_LEVEL must be one of']],
] as const)('%s names all settings that it cannot use, and ends', async (name, problems) => {
  const { code, said } = await run(name, { APIGATE_DRAIN_SECONDS: 'soon', LOG_LEVEL: 'loud' })
  expect(code).toBe(1)
  for (const problem of problems) expect(said).toContain(problem)
  expect(said).not.toContain('    at ')
})

test.each([
  ['api', 'APIGATE_ADMIN_PORT'],
  ['jobs', 'APIGATE_JOBS_STATUS_PORT'],
  ['proxy', 'APIGATE_PROXY_PORT'],
  ['proxy', 'APIGATE_STATUS_PORT'],
] as const)('%s says that its port is taken, and ends (%s)', async (name, setting) => {
  const { port } = taken.address() as AddressInfo
  const { code, said } = await run(name, {
    ...{ DATABASE_URL: database.url, APIGATE_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'), LOG_LEVEL: 'silent' },
    ...{ APIGATE_PROXY_PORT: '0', APIGATE_STATUS_PORT: '0', APIGATE_DATA_DIR: dir, [setting]: String(port) },
  })
  expect([code, said]).toEqual([1, expect.stringContaining(`address already in use 127.0.0.1:${port}`)])
  expect(said.trim().split('\n')).toHaveLength(1)
})

test('a database that is away ends the migration with a line that says so', async () => {
  const { code, said } = await run('migrate', {
    DATABASE_URL: 'postgresql://app@127.0.0.1:1/none',
    LOG_LEVEL: 'silent',
  })
  expect([code, said]).toEqual([1, expect.stringMatching(/^the database cannot be migrated: .*ECONNREFUSED.*\n$/)])
})

test('api ends in time although a client does not finish its request, and one keeps its connection', async () => {
  const port = await freePort()
  const env = {
    ...{ DATABASE_URL: database.url, APIGATE_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'), LOG_LEVEL: 'silent' },
    ...{ APIGATE_ADMIN_PORT: String(port), APIGATE_DRAIN_SECONDS: '0', APIGATE_FINISH_SECONDS: '1' },
  }
  const child = spawn(process.execPath, [path.join(root, files.api)], { cwd: dir, env })
  try {
    const exit = once(child, 'exit')
    await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok, { timeoutMs: 20_000 })
    const socket = net.connect(port, '127.0.0.1')
    socket.write('POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n')
    socket.write('Content-Length: 11\r\nExpect: 100-continue\r\n\r\n')
    await once(socket, 'data')
    child.kill('SIGTERM')
    const [code] = (await Promise.race([exit, once(socket, 'error'), delay(20_000, ['still runs'])])) as unknown[]
    expect(code).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
})
