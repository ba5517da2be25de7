import { stringify } from 'yaml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('upstreams', { id: 'ups_a', name: 'a', base_url: 'http://a.test' })
})
afterAll(() => api?.stop())

const operation = { responses: {} }
const openapi = (paths: object) => ({ openapi: '3.1.0', info: { title: 'Pets', version: '1' }, paths })
const run = (body: object) => api.call('POST', '/api/routes/import', body)
const count = async () => (await api.call('GET', '/api/routes')).document.meta.total as number

test('makes routes, finds them again, and changes what is asked for only', async () => {
  const document = openapi({ '/pets': { get: operation }, '/pets/{id}': { get: operation, delete: operation } })
  const first = await run({ openapi: document, upstream_id: 'ups_a', path_prefix: '/v1' })
  expect(first.status, JSON.stringify(first.document)).toBe(200)
  const { created } = first.document.meta
  expect([created.length, await count()]).toEqual([2, 2])
  const { attributes, relationships } = (await api.call('GET', `/api/routes/${created[1]}`)).document.data
  expect(attributes).toMatchObject({ path_pattern: '/v1/pets/{id}', match_type: 'exact', methods: ['GET', 'DELETE'] })
  expect(relationships.upstream.data.id).toBe('ups_a')

  await api.call('PATCH', `/api/routes/${created[0]}`, { priority: 7 })
  const more = openapi({ ...document.paths, '/pets': { get: operation, post: operation }, '/new': { put: operation } })
  const text = stringify({ openapi: more, upstream_id: 'ups_a', path_prefix: '/v1', auth_required: true })
  const second = await api.call('POST', '/api/routes/import', text, { 'content-type': 'application/yaml' })
  expect(second.document.meta).toMatchObject({ updated: [created[0]], unchanged: [created[1]] })
  expect(second.document.meta.created).toHaveLength(1)
  expect((await api.call('GET', `/api/routes/${created[0]}`)).document.data.attributes).toMatchObject({
    methods: ['GET', 'POST'],
    priority: 7,
  })
  const revision = Number(first.headers['x-config-revision'])
  // One for each import, and one for the priority.
  expect(Number(second.headers['x-config-revision'])).toBe(revision + 2)
})

test.each([
  ['no document', { openapi: { swagger: '2.0' }, upstream_id: 'ups_a' }, 422, '/openapi'],
  ['no paths', { openapi: openapi({}), upstream_id: 'ups_a' }, 422, '/openapi'],
  [
    'an upstream that is not there',
    { openapi: openapi({ '/x': { get: operation } }), upstream_id: 'ups_no' },
    404,
    '/upstream_id',
  ],
  [
    'a path that no pattern can be',
    { openapi: openapi({ '/x': { get: operation }, '/a?b': { get: operation } }), upstream_id: 'ups_a' },
    422,
    '/openapi/paths/~1a?b',
  ],
  [
    'a path without a slash in front',
    { openapi: openapi({ '/x': { get: operation }, 'pets/{id}': { get: operation } }), upstream_id: 'ups_a' },
    422,
    '/openapi/paths/pets~1{id}',
  ],
  [
    'a path that stands elsewhere',
    { openapi: openapi({ '/x': { $ref: './x.json' }, '/y': { get: operation } }), upstream_id: 'ups_a' },
    422,
    '/openapi/paths/~1x',
  ],
  [
    'a path that is no object',
    { openapi: openapi({ '/x': 7, '/y': { get: operation } }), upstream_id: 'ups_a' },
    422,
    '/openapi/paths/~1x',
  ],
  [
    'a prefix that is none',
    { openapi: openapi({ '/x': { get: operation } }), upstream_id: 'ups_a', path_prefix: 'v1' },
    422,
    '/path_prefix',
  ],
])('%s is refused with a pointer, and nothing is made', async (_name, body, status, pointer) => {
  const before = await count()
  const answer = await run(body)
  expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
  expect(await count()).toBe(before)
})
