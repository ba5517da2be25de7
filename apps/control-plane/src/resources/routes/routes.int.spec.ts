import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  for (const id of ['ups_a', 'ups_b'])
    await api.create('upstreams', { id, name: id, base_url: 'http://127.0.0.1:9000' })
})
afterAll(() => api?.stop())

const upstream_id = 'ups_a'

describe('a route', () => {
  test('is created with every attribute, and reaches the workers as it was compiled', async () => {
    const attributes = {
      ...{ name: 'users-api', description: 'Users', host_pattern: 'api.example.com', host_match_type: 'exact' },
      ...{ path_pattern: '/api/v1/users/*', match_type: 'prefix', methods: ['GET', 'POST'] },
      headers: [
        { name: 'x-tenant', value: 'a', match: 'prefix' },
        { name: 'x-debug', match: 'absent' },
      ],
      ...{ path_rewrite: '/users/$1', method_override: 'POST', metering_mode: 'bytes', protocol: 'http_stream' },
      ...{ priority: 100, auth_required: false, enabled: true },
    }
    const { status, document, headers } = await api.call('POST', '/api/routes', {
      data: {
        type: 'routes',
        attributes,
        relationships: { upstream: { data: { type: 'upstreams', id: 'ups_a' } } },
      },
    })
    expect(status).toBe(201)
    expect(document.data.attributes).toMatchObject(attributes)
    const revision = BigInt(String(headers['x-config-revision']))
    const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
    expect(change.items).toMatchObject([
      { kind: 'route', value: { hostMatch: 'exact', upstreamId: 'ups_a', headers: attributes.headers, priority: 100 } },
    ])
  })

  test('takes the kind of its host pattern from its spelling', async () => {
    const kindOf = async (host_pattern?: string, host_match_type?: string) => {
      const body = { name: 'h', path_pattern: '/h', upstream_id, host_pattern, host_match_type }
      return (await api.create('routes', body)).attributes.host_match_type
    }
    expect(await kindOf()).toBeNull()
    expect(await kindOf('a.example.com')).toBe('exact')
    expect(await kindOf('*.example.com', '')).toBe('wildcard')
    expect(await kindOf('a.+', 'regex')).toBe('regex')
  })

  test('takes it again from a new spelling, but leaves an expression one until told otherwise', async () => {
    const { id } = await api.create('routes', { name: 'k', path_pattern: '/k', upstream_id, host_pattern: 'a.b' })
    const kindAfter = async (change: object) =>
      (await api.call('PATCH', `/api/routes/${id}`, change)).document.data.attributes.host_match_type
    expect(await kindAfter({ host_pattern: '*.b' })).toBe('wildcard')
    expect(await kindAfter({ host_pattern: 'a.b' })).toBe('exact')
    expect(await kindAfter({ host_match_type: 'regex' })).toBe('regex')
    expect(await kindAfter({ host_pattern: 'c.d' })).toBe('regex')
    expect(await kindAfter({ host_match_type: null })).toBe('exact')
  })

  test('keeps what an update does not send, and lets go of its host with the pattern', async () => {
    const created = await api.create('routes', {
      name: 'm',
      path_pattern: '/m',
      upstream_id,
      host_pattern: 'a.b',
      methods: ['get', 'GET', 'post'],
    })
    expect(created.attributes.methods).toEqual(['GET', 'POST'])
    const updated = await api.call('PATCH', `/api/routes/${created.id}`, { host_pattern: '', upstream_id: 'ups_b' })
    expect(updated.document.data.attributes).toMatchObject({
      host_pattern: '',
      host_match_type: null,
      methods: ['GET', 'POST'],
    })
    expect(updated.document.data.relationships.upstream.data.id).toBe('ups_b')
  })

  test('goes to another upstream by its relationship', async () => {
    const { relationships } = await api.create('routes', { name: 'rel', path_pattern: '/rel', upstream_id })
    const { links } = relationships.upstream
    expect((await api.call('PATCH', links.self, { data: { type: 'upstreams', id: 'ups_b' } })).status).toBe(200)
    expect((await api.call('GET', links.related)).document.data.id).toBe('ups_b')
  })

  test('that takes the same requests as another one is created with a warning', async () => {
    const first = await api.create('routes', { name: 'w1', path_pattern: '/same/{id}', upstream_id })
    const second = await api.call('POST', '/api/routes', { name: 'w2', path_pattern: '/same/{other}', upstream_id })
    expect(second.status).toBe(201)
    expect(second.document.meta.warnings).toEqual([expect.stringContaining(first.id)])
    const apart = await api.call('PATCH', `/api/routes/${second.document.data.id}`, { priority: 1 })
    expect(apart.document.meta).toBeUndefined()
  })

  test.each([
    [{ path_pattern: '/w1/a' }, { path_pattern: '/w1/a/*' }],
    [{ path_pattern: '/w2/a/' }, { path_pattern: '/w2/a' }],
    [{ path_pattern: '/w3/{x}/b/{y}' }, { path_pattern: '/w3/{y}/b/{z}/*' }],
    [{ path_pattern: '/w4/%7eb' }, { path_pattern: '/w4/~b' }],
    [{ path_pattern: '/w5/~b' }, { path_pattern: '/w5/%7Eb' }],
    [{ path_pattern: '/w6/ü' }, { path_pattern: '/w6/%C3%BC' }],
    [{ path_pattern: '/w7/file-*' }, { path_pattern: '/w7/file-*' }],
    [
      { path_pattern: '/w8', host_pattern: 'A.example.com', methods: ['GET', 'POST'] },
      { path_pattern: '/w8', host_pattern: 'a.example.com.', methods: ['post', 'get'] },
    ],
    [
      { path_pattern: '/w9/[a-z]{2,3}', match_type: 'regex' },
      { path_pattern: '/w9/[a-z]{2,3}', match_type: 'regex' },
    ],
    [
      { path_pattern: '/w10/{x}', match_type: 'exact' },
      { path_pattern: '/w10/{y}', match_type: 'exact' },
    ],
  ])('%j is told of %j, however they are written', async (one, other) => {
    const first = await api.create('routes', { name: 'one', upstream_id, ...one })
    const second = await api.call('POST', '/api/routes', { name: 'other', upstream_id, ...other })
    expect(second.document.meta?.warnings).toEqual([expect.stringContaining(first.id)])
    const back = await api.call('PATCH', `/api/routes/${first.id}`, { description: 'again' })
    expect(back.document.meta?.warnings).toEqual([expect.stringContaining(second.document.data.id)])
  })

  test.each([
    [{ upstream_id: undefined }, 422, ''],
    [{ upstream_id: 'ups_none' }, 404, '/upstream_id'],
    [{ path_pattern: '(?=a)', match_type: 'regex' }, 422, '/path_pattern'],
    [{ path_pattern: 'no-slash' }, 422, '/path_pattern'],
    [{ host_pattern: 'a..b' }, 422, '/host_pattern'],
    [{ path_pattern: '/a', match_type: 'exact', path_rewrite: '/$9' }, 422, '/path_rewrite'],
    [{ methods: ['G T'] }, 422, '/methods/0'],
    [{ methods: 'GET' }, 422, '/methods'],
    [{ headers: [{ name: 'x', match: 'exact', value: 'ok' }, { name: 'x y' }] }, 422, '/headers/1/name'],
    [{ headers: [{ name: 1 }] }, 422, '/headers'],
    [{ headers: [{ name: 'x', other: 1 }] }, 422, '/headers'],
    [{ headers: { name: 'x' } }, 422, '/headers'],
    [{ request_transform: { headers: { set: { 'X-A': '${nope}' } } } }, 422, '/request_transform/headers/set/X-A'],
    [{ request_transform: { headers: { set: { 'X/A': 'x' } } } }, 422, '/request_transform/headers/set/X~1A'],
    [{ request_transform: { conditions: [{ when: { no: '1' } }] } }, 422, '/request_transform/conditions/0/when/no'],
    [{ response_transform: { body: { mask: ['a', 'b..c'] } } }, 422, '/response_transform/body/mask/1'],
    [{ response_transform: 'x' }, 422, '/response_transform'],
    [{ metering_expr: 'responseBytes +' }, 422, '/metering_expr'],
    [{ metering_expr: 'responseBytes', metering_mode: 'request' }, 422, '/metering_expr'],
    [{ metering_mode: 'custom' }, 422, ''],
    [{ priority: 2 ** 31 }, 422, '/priority'],
    [{ protocol: 'gopher' }, 422, '/protocol'],
  ])('with %j is refused', async (attributes, status, pointer) => {
    const answer = await api.call('POST', '/api/routes', {
      name: 'bad',
      path_pattern: '/bad',
      upstream_id,
      ...attributes,
    })
    expect(answer.status).toBe(status)
    expect(sources(answer)).toContainEqual({ pointer })
  })

  test('keeps transforms and expressions as they were written', async () => {
    const transforms = {
      request_transform: { headers: { set: { 'X-Plan': '${plan_name}' } }, body: { set: { 'user.id': '${user_id}' } } },
      response_transform: { body: { mask: ['items[].secret'] }, conditions: [] },
      metering_expr: 'response.body.usage.total_tokens',
    }
    const { id, attributes } = await api.create('routes', { name: 't', path_pattern: '/t', upstream_id, ...transforms })
    expect(attributes).toMatchObject({ ...transforms, metering_mode: 'custom' })
    const update = { metering_mode: 'request', metering_expr: '', request_transform: null }
    const updated = await api.call('PATCH', `/api/routes/${id}`, update)
    expect(updated.document.data.attributes).toMatchObject({ ...update, metering_expr: null })
    expect((await api.call('PATCH', `/api/routes/${id}`, { metering_expr: 'status' })).status).toBe(422)
  })

  test('says of an expression where it is wrong', async () => {
    const body = { name: 'e', path_pattern: '/e', upstream_id, metering_mode: 'custom', metering_expr: 'status + cost' }
    const { document } = await api.call('POST', '/api/routes', body)
    expect(document.errors[0].detail).toContain('metering_expr is wrong at character 10: "cost" is not known')
  })

  test('is not updated to what a proxy could not compile', async () => {
    const { id } = await api.create('routes', { name: 'c', path_pattern: '/c', upstream_id })
    const answer = await api.call('PATCH', `/api/routes/${id}`, {
      data: { type: 'routes', id, attributes: { match_type: 'regex', path_pattern: '/c(' } },
    })
    expect([answer.status, sources(answer)]).toEqual([422, [{ pointer: '/data/attributes/path_pattern' }]])
    expect((await api.call('GET', `/api/routes/${id}`)).document.data.attributes.path_pattern).toBe('/c')
  })
})
