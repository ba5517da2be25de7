import { Validator } from '@seriousme/openapi-schema-validator'
import { validateSync } from 'class-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type ApiAnswer, type TestApi } from '../api.fixture.ts'
import { registeredRoutes } from '../http.ts'
import { inputSchemas } from '../jsonapi/index.ts'
import { EndpointList } from './endpoint.list.ts'
import { openApiDocument, type OpenApiDocument } from './openapi.document.ts'

let api: TestApi
let document: OpenApiDocument
beforeAll(async () => {
  api = await startTestApi()
  document = (await api.call('GET', '/openapi.json', undefined, { 'x-api-key': undefined })).document
})
afterAll(() => api?.stop())

test('the description is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(structuredClone({ ...document }))
  expect(errors).toBeUndefined()
  expect([valid, validator.version]).toEqual([true, '3.1'])
})

test('every reference leads somewhere', () => {
  const references = [...JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)]
  expect(references.length).toBeGreaterThan(1000)
  const dead = references.filter(([, kind = '', name = '']) => !Object.hasOwn(document.components[kind] ?? {}, name))
  expect(dead.map(([reference]) => reference)).toEqual([])
})

describe('the endpoints', () => {
  test('that are registered are those that are described', () => {
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/[{}]/g, '') })),
    )
    const registered = registeredRoutes(api.app).flatMap(({ methods, path, pattern }) =>
      methods.map((method) => ({ method, path, pattern })),
    )
    const undescribed = registered.filter(
      ({ method, pattern }) =>
        !described.some((one) => one.method === (method === 'HEAD' ? 'GET' : method) && pattern.test(one.path)),
    )
    expect(undescribed.map(({ method, path }) => `${method} ${path}`)).toEqual([])
    const unregistered = described.filter(
      ({ method, path }) => !registered.some((one) => one.method === method && one.pattern.test(path)),
    )
    expect(unregistered).toEqual([])
  })

  test('about which nothing is said stop the description from being made', () => {
    const endpoint = { method: 'get', path: '/x', handler: 'X.x', public: false, readsBody: false, notes: [] } as const
    expect(() => openApiDocument([endpoint], '1')).toThrow('X.x: say what it does')
  })

  test('read a body only where the description has one', () => {
    for (const { method, path, notes, readsBody } of api.app.get(EndpointList).all()) {
      const said = notes.some(
        (note) =>
          ['creation', 'update', 'replacement', 'manyChange'].includes(note.kind) ||
          (note.kind === 'description' && note.description.body !== undefined),
      )
      expect([method, path, readsBody && !said]).toEqual([method, path, false])
    }
  })
})

/** Asks, and holds the answer against the description of that operation. */
async function ask(
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
  path: string,
  { id = '', query = '', body, headers }: { id?: string; query?: string; body?: object; headers?: Headers } = {},
): Promise<ApiAnswer> {
  const answer = await api.call(method, `${path.replace('{id}', id)}${query}`, body, headers)
  expect(deviations(method, path, answer), `${method} ${path}: ${JSON.stringify(answer.document)}`).toEqual([])
  return answer
}

interface Described {
  $ref?: string
  content?: Record<string, unknown>
  headers?: Record<string, unknown>
}

/** In what an answer is not as it is described. */
function deviations(method: string, path: string, answer: ApiAnswer): unknown[] {
  const responses = document.paths[path]?.[method.toLowerCase()]?.['responses'] as Record<string, Described> | undefined
  let pointer = `#/paths/${path.replaceAll('/', '~1')}/${method.toLowerCase()}/responses/${answer.status}`
  let said = responses?.[answer.status]
  if (said?.$ref) {
    pointer = said.$ref
    said = (document.components['responses'] as Record<string, Described>)[said.$ref.split('/').at(-1) ?? '']
  }
  if (!said) return [`${answer.status} is not described`]
  const { content = null, headers = {} } = said
  const missing = Object.keys(headers).filter(
    (name) => name !== 'Preference-Applied' && answer.headers[name.toLowerCase()] === undefined,
  )
  if (content === null || answer.document === null) return content === answer.document ? missing : ['body or none?']
  const type = String(answer.headers['content-type']).split(';', 1)[0] ?? ''
  if (!content[type]) return [...missing, `${type} is not described`]
  const schema = `${pointer}/content/${type.replaceAll('/', '~1')}/schema`
  const validate = ajv.compile({ $ref: `openapi.json${encodeURI(schema)}` })
  validate(answer.document)
  return [...missing, ...(validate.errors ?? [])]
}

type Headers = Record<string, string | undefined>
let ajv: Ajv2020
beforeAll(() => {
  ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document, 'openapi.json')
})

test('answers are as they are described', async () => {
  const plan = await ask('POST', '/api/plans', { body: { name: 'Pro', id: 'plan_pro', burst: 5 } })
  expect(plan.status).toBe(201)
  await ask('POST', '/api/users', { body: { email: 'a@example.com', id: 'usr_a', plan_id: 'plan_pro' } })
  await ask('POST', '/api/api-keys', { body: { user_id: 'usr_a', id: 'key_a', expires_at: '2999-01-01T00:00:00Z' } })
  await ask('POST', '/api/upstreams', { body: { name: 'u', id: 'ups_a', base_url: 'http://localhost:1' } })
  await ask('POST', '/api/groups', { body: { name: 'g', id: 'grp_a', owner_id: 'usr_a', slug: 'g' } })
  await ask('POST', '/api/users', { body: { email: 'b@example.com', id: 'usr_b' } })
  await ask('POST', '/api/groups/{id}/members', { id: 'grp_a', body: { user_id: 'usr_b', id: 'gmb_a' } })
  const headers = [{ name: 'X-A', value: 'b' }]
  await ask('POST', '/api/routes', {
    body: { name: 'r', id: 'rte_a', path_pattern: '/a/*', upstream_id: 'ups_a', headers, methods: ['GET'] },
  })
  const types = [
    ['users', 'usr_a', 'plan'],
    ['plans', 'plan_pro', ''],
    ['api-keys', 'key_a', 'user'],
    ['upstreams', 'ups_a', ''],
    ['routes', 'rte_a', 'upstream'],
    ['groups', 'grp_a', 'members'],
    ['group-members', 'gmb_a', 'group'],
  ] as const
  for (const [collection, id, relationship] of types) {
    const path = `/api/${collection}`
    const include = relationship === '' ? '' : `?include=${relationship}`
    await ask('GET', path, { query: `${include || '?'}&page[size]=1` })
    await ask('GET', `${path}/{id}`, { id, query: include })
    await ask('GET', `${path}/{id}`, { id: `${id}x` })
    await ask('GET', path, { query: '?sort=nope' })
    await ask('GET', path, { headers: { 'x-api-key': undefined } })
    await ask('POST', path, { body: {} })
    await ask('POST', path, { body: { data: { type: 'nope' } } })
    await ask('POST', path, { body: {}, headers: { 'content-type': 'text/plain' } })
    if (relationship !== '') {
      await ask('GET', `${path}/{id}/${relationship}`, { id })
      await ask('GET', `${path}/{id}/relationships/${relationship}`, { id })
    }
  }
  await ask('GET', '/api/usage-events', { query: '?page[after]=' })
  await ask('GET', '/api/workers')
  await ask('GET', '/healthz')
  await ask('PATCH', '/api/users/{id}', { id: 'usr_a', body: { name: 'A' } })
  await ask('PATCH', '/api/users/{id}', { id: 'usr_a', body: { name: 'B' }, headers: { prefer: 'wait=0' } })
  await ask('PUT', '/admin/users/{id}', { id: 'usr_a', body: { name: 'C' } })
  const linkage = { data: { type: 'plans', id: 'plan_pro' } }
  await ask('PATCH', '/api/users/{id}/relationships/plan', { id: 'usr_a', body: linkage })
  const members = { data: [{ type: 'group_members', id: 'gmb_a' }] }
  for (const method of ['POST', 'PATCH', 'DELETE', 'GET'] as const) {
    const body = method === 'GET' ? {} : { body: members }
    await ask(method, '/api/groups/{id}/relationships/members', { id: 'grp_a', ...body })
  }
  await ask('POST', '/api/api-keys/{id}/rotate', { id: 'key_a', body: { overlap_seconds: 60 } })
  await ask('POST', '/api/api-keys/{id}/revoke', { id: 'key_a' })
  const webhook = { name: 'w', id: 'whk_a', url: 'https://93.184.216.34/', events: ['*'] }
  await ask('POST', '/api/webhooks', { body: webhook })
  await ask('POST', '/api/webhooks/{id}/rotate-secret', { id: 'whk_a' })
  await ask('POST', '/api/webhooks/{id}/rotate-secret', { id: 'whk_a', body: { overlap_seconds: 0 } })
  const sent = await ask('POST', '/api/webhooks/{id}/test', { id: 'whk_a' })
  await ask('GET', '/api/webhook-deliveries/{id}', { id: sent.document.data.id, query: '?include=webhook' })
  await ask('POST', '/api/webhook-deliveries/{id}/redeliver', { id: sent.document.data.id })
  await ask('GET', '/api/webhooks/{id}/deliveries', { id: 'whk_a', query: '?page[size]=1' })
  await ask('POST', '/api/webhooks/{id}/redeliver', { id: 'whk_a', body: { since: '2026-01-01' } })
  await ask('POST', '/api/webhooks/{id}/redeliver', { id: 'whk_a' })
  await ask('GET', '/api/audit-events', { query: '?page[after]=' })
  await ask('DELETE', '/api/plans/{id}', { id: 'plan_pro' })
  await ask('DELETE', '/api/groups/{id}', { id: 'grp_a' })
  await ask('DELETE', '/api/users/{id}', { id: 'usr_a' })
})

test('a value that the rules take is one that the schema takes', () => {
  const values = [
    ...[null, true, false, 0, -1, 1, 2.5, 1e300, 2_147_483_647, '', ' ', 'x', 'ak', 'GET', 'x'.repeat(5000)],
    ...['http://a', 'HTTPS://a/b', 'ftp://a', 'a@example.com', '2999-01-01', '2999-01-01T00:00:00Z', 'hard', 'exact'],
    ...[
      'active',
      'bearer',
      'custom',
      'sse',
      '\u{1f600}'.repeat(50),
      [],
      ['GET'],
      ['GET', 'GET'],
      ['admin:read'],
      [1],
      {},
    ],
    ...[{ a: 1 }, [{ name: 'a' }], [{ name: 'a', match: 'exact', value: 'b' }], [{ name: 'a', nope: 1 }], [{}]],
  ]
  const Inputs = new Set(
    api.app
      .get(EndpointList)
      .all()
      .flatMap(({ notes }) => notes.flatMap((note) => ('Input' in note ? [note.Input] : []))),
  )
  expect(Inputs.size).toBeGreaterThanOrEqual(5)
  let taken = 0
  for (const Input of Inputs) {
    for (const [name, schema] of inputSchemas(Input).schemas) {
      const validate = ajv.compile(schema)
      for (const value of values) {
        const input = Object.assign(new Input(), { [name]: value })
        const problems = validateSync(input, { groups: ['update'], always: true, skipUndefinedProperties: true })
        if (problems.length > 0) continue
        taken += 1
        expect([Input.name, name, value, validate(value)]).toEqual([Input.name, name, value, true])
      }
    }
  }
  expect(taken).toBeGreaterThan(100)
})

test('what is shown as an example of a body is one that the schema takes', () => {
  const shown: string[] = []
  for (const [path, item] of Object.entries(document.paths)) {
    const body = item['post']?.['requestBody'] as { content: Record<string, { example?: object }> } | undefined
    const example = body?.content['application/json']?.example
    if (!example) continue
    shown.push(path)
    const pointer = `#/paths/${path.replaceAll('/', '~1')}/post/requestBody/content/application~1json/schema`
    const validate = ajv.compile({ $ref: `openapi.json${encodeURI(pointer)}` })
    validate(example)
    expect([path, validate.errors]).toEqual([path, null])
  }
  expect(shown).toEqual(
    expect.arrayContaining(['/api/users', '/api/plans', '/api/api-keys', '/api/upstreams', '/api/routes']),
  )
})
