import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../apps/control-plane/src/api.fixture.ts'

const tsc = path.resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
const folder = mkdtempSync(path.join(os.tmpdir(), 'apigate-client-'))
let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.app.listen(0, '127.0.0.1')
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await api?.stop()
})

/** What a user writes who has nothing but the description. */
const program = `
import createClient from 'openapi-fetch'
import type { components, paths } from './api.d.ts'

const client = createClient<paths>({
  baseUrl: process.env['API_URL']!,
  headers: { authorization: 'Bearer ' + process.env['API_KEY'] },
  querySerializer: { array: { style: 'form', explode: false } },
})
const params = (id: string) => ({ params: { path: { id } } })
function got<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error))
  return answer.data
}

const plan = got(await client.POST('/api/plans', { body: { name: 'Generated', rate_limit_per_minute: 5 } }))
const planId: string = plan.data.id
for (const n of [1, 2, 3]) {
  const body: components['schemas']['UserCreation'] = {
    data: {
      type: 'users',
      attributes: { email: n + '@generated.example' },
      relationships: { plan: { data: { type: 'plans', id: planId } } },
    },
  }
  got(await client.POST('/api/users', { body }))
}
const emails: string[] = []
for (let number = 1; ; number++) {
  const page = got(await client.GET('/api/users', {
    params: { query: {
      'filter[plan]': [planId], 'filter[email][like]': 'generated', sort: ['-email', 'id'], include: ['plan'],
      'fields[users]': ['email', 'plan'], 'page[size]': 2, 'page[number]': number,
    } },
  }))
  emails.push(...page.data.map(({ attributes }) => attributes.email))
  const [included] = page.included ?? []
  if (included?.type !== 'plans' || included.attributes.rate_limit_per_minute !== 5) throw new Error('the plan')
  if (number === page.meta.pages) break
}
const first = got(await client.GET('/api/users', { params: { query: { 'filter[email]': ['1@generated.example'] } } })).data[0]!
const read = await client.GET('/api/users/{id}', params(first.id))
const etag = read.response.headers.get('etag') ?? ''
const update = { body: { name: 'One' } }
got(await client.PATCH('/api/users/{id}', { ...update, params: { path: { id: first.id }, header: { 'If-Match': etag } } }))
const stale = await client.PATCH('/api/users/{id}', { ...update, params: { path: { id: first.id }, header: { 'If-Match': etag } } })
const code: string | undefined = stale.error?.errors[0]?.code
const key = got(await client.POST('/api/api-keys', { body: { user_id: first.id } }))
const shown: string = key.data.meta.key
got(await client.POST('/api/api-keys/{id}/revoke', params(key.data.id)))
const removed = await client.DELETE('/api/users/{id}', params(first.id))
const gone = await client.GET('/api/users/{id}', params(first.id))
console.log(JSON.stringify({
  emails, code, shown: shown.length, name: first.attributes.status,
  removed: removed.response.status, gone: gone.error?.errors[0]?.status,
}))
`

test('a client generated from the description compiles and works', async () => {
  const { document } = await api.call('GET', '/openapi.json')
  writeFileSync(path.join(folder, 'api.d.ts'), astToString(await openapiTS(document)))
  writeFileSync(path.join(folder, 'program.ts'), program)
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}')
  symlinkSync(path.join(import.meta.dirname, 'node_modules'), path.join(folder, 'node_modules'))
  const types = path.resolve(import.meta.dirname, '../../node_modules/@types')
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck', 'false']
  const node = [
    '--types',
    'node',
    '--typeRoots',
    types,
    '--allowImportingTsExtensions',
    '--rewriteRelativeImportExtensions',
  ]
  expect(await run([tsc, ...flags, ...node, 'program.ts'])).toBe('')
  expect(JSON.parse(await run(['program.js']))).toEqual({
    emails: ['3@generated.example', '2@generated.example', '1@generated.example'],
    ...{ code: 'conflict', shown: 67, name: 'active', removed: 204, gone: '404' },
  })
})

test('and refuses to compile what the API would refuse', async () => {
  const wrong = `
import type { components } from './api.d.ts'
export const bodies: components['schemas']['PlanCreationFlat'][] = [
  { price_monthly: 5 },
  { name: 'x', quota_mode: 'sometimes' },
]
export const nobody: components['schemas']['UserCreation'] = { data: { type: 'plans', attributes: { email: 'x' } } }
`
  writeFileSync(path.join(folder, 'wrong.ts'), wrong)
  const said = await run([tsc, '--strict', '--noEmit', '--allowImportingTsExtensions', 'wrong.ts'])
  expect([...said.matchAll(/wrong\.ts\((\d+),/g)].map(([, line]) => Number(line))).toEqual([4, 5, 7])
})

/** What a Node program writes. */
async function run(args: string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], API_URL: await api.app.getUrl(), API_KEY: api.adminKey }
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (data) => (said += data))
  child.stderr.on('data', (data) => (said += data))
  return new Promise((resolve) => child.on('close', () => resolve(said)))
}
