import { spawnSync } from 'node:child_process'
import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modes, startSystem, type RunningSystem } from './system.ts'

describe.each(modes)('%s: what npm start prints', (mode) => {
  let system: RunningSystem
  let commands: string[]
  beforeAll(async () => {
    system = await startSystem(mode)
    commands = system.printed.split('\n').filter((line) => /^(curl|for|sleep) /.test(line))
  })
  afterAll(() => system?.stop())

  const paste = (command: string | undefined): string => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', command ?? 'false'], { encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    return stdout
  }
  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

  test('answers as its comments say when pasted', async () => {
    expect(commands).toHaveLength(5)
    const [withKey, withoutKey, unknown, loop, usage] = commands
    const answer = paste(withKey)
    expect(statusOf(answer)).toBe(200)
    expect(answer).toContain('"x-user-id": "usr_sample"')
    expect(answer).not.toContain(system.sampleKey)
    expect(statusOf(paste(withoutKey))).toBe(401)
    expect(statusOf(paste(unknown))).toBe(404)
    const statuses = paste(loop).trim().split(/\s+/)
    expect(statuses).toHaveLength(12)
    expect(statuses[0]).toBe('200')
    expect(statuses.at(-1)).toBe('429')

    // 1 + 1 + 1 + 12 answers: each is one event.
    const shown = (): { data: { attributes: { status_code: number } }[]; meta: { total: number } } =>
      JSON.parse(paste(usage))
    await waitFor(() => shown().meta.total === 15, { timeoutMs: 15_000 })
    expect(shown().data[0]?.attributes.status_code).toBe(429)
  })

  test('has a password to sign in with, which nothing else has', async () => {
    const [, email, password = ''] = /sign in {4}(\S+), password (\S+) /.exec(system.printed) ?? []
    expect(password).toHaveLength(20)
    const response = await fetch(`${system.adminUrl}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    })
    expect(response.status).toBe(201)
    expect((await system.admin('GET', '/auth/setup-required')).document.meta.setup_required).toBe(false)
    const found = spawnSync('grep', ['-rlF', '--', password, system.dataDir], { encoding: 'utf8' })
    expect([found.status, found.stdout]).toEqual([1, ''])
  })

  test.each([
    ['a second start', 'SIGINT'],
    ['a start after the first was killed', 'SIGKILL'],
  ] as const)('%s finds the data again', async (_name, signal) => {
    expect(await system.restart(signal)).not.toContain('sign in')
    const { document } = await system.admin('GET', '/api/api-keys/key_sample')
    expect(document.data.attributes.prefix).toBe(system.sampleKey.slice(0, 12))
    const call = () => fetch(`${system.proxyUrl}/echo/again`, { headers: { 'x-api-key': system.sampleKey } })
    await waitFor(async () => (await call()).status === 200)
  })
})
