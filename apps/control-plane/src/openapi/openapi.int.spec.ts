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
          ['creation', 'update', 'replacement'].includes(note.kind) ||
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
  const operation = document.paths[path]?.[method.toLowerCase()] as any
  const place = `#/paths/${path.replaceAll('/', '~1')}/${method.toLowerCase()}/responses/${answer.status}`
  const said = operation?.responses[answer.status]
  expect(said, `${method} ${path} is answered with ${answer.status}: ${JSON.stringify(answer.document)}`).toBeDefined()
  const { content, headers: own = {} } = said.$ref
    ? (document.components as any).responses[said.$ref.split('/').at(-1)]
    : said
  expect(Object.keys(answer.headers)).toEqual(
    expect.arrayContaining(
      Object.keys(own)
        .map((name) => name.toLowerCase())
        .filter((name) => name !== 'preference-applied'),
    ),
  )
  if (!content) {
    expect(answer.document).toBeNull()
    return answer
  }
  const base = said.$ref ?? place
  const type = String(answer.headers['content-type']).split(';', 1)[0] ?? ''
  expect(Object.keys(content)).toContain(type)
  const pointer = `${base}/content/${type.replaceAll('/', '~1')}/schema`
  const validate = ajv.compile({ $ref: `openapi.json${encodeURI(pointer)}` })
  validate(answer.document)
  expect(validate.errors, `${method} ${path}: ${JSON.stringify(answer.document)}`).toBeNull()
  return answer
}

type Headers = Record<string, string | undefined>
let ajv: Ajv2020
beforeAll(() => {
  ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document as object, 'openapi.json')
})

test('answers are as they are described', async () => {
  const plan = await ask('POST', '/api/plans', { body: { name: 'Pro', id: 'plan_pro', burst: 5 } })
  expect(plan.status).toBe(201)
  await ask('POST', '/api/users', { body: { email: 'a@example.com', id: 'usr_a', plan_id: 'plan_pro' } })
  await ask('POST', '/api/api-keys', { body: { user_id: 'usr_a', id: 'key_a', expires_at: '2999-01-01T00:00:00Z' } })
  await ask('POST', '/api/upstreams', { body: { name: 'u', id: 'ups_a', base_url: 'http://localhost:1' } })
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
  await ask('POST', '/api/api-keys/{id}/revoke', { id: 'key_a' })
  await ask('DELETE', '/api/plans/{id}', { id: 'plan_pro' })
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
