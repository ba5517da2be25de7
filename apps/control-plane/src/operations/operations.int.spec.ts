import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type ApiAnswer, type TestApi } from '../api.fixture.ts'
import { atomicExtension, mediaType } from '../jsonapi/index.ts'

const type = `${mediaType}; ext="${atomicExtension}"`
const url = '/api/operations'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({ APIGATE_OPERATIONS_BODY_BYTES_MAX: '200000' })
  await api.create('plans', { id: 'plan_a', name: 'a' })
  await api.create('users', { id: 'usr_a', email: 'a@example.com', plan_id: 'plan_a' })
})
afterAll(() => api?.stop())

const operate = (operations: unknown, headers: Record<string, string | undefined> = {}): Promise<ApiAnswer> =>
  api.call('POST', url, { 'atomic:operations': operations }, { 'content-type': type, accept: type, ...headers })
const add = (type: string, attributes: object, others: object = {}) => ({
  op: 'add',
  data: { type, attributes, ...others },
})
const codes = ({ document }: ApiAnswer) => document.errors.map(({ code }: { code: string }) => code)
const head = async (): Promise<number> => Number((await api.database.prisma.configHead.findFirstOrThrow()).revision)

test('what belongs together is made in one call: one transaction, one revision, an audit row each, results in order', async () => {
  const before = await head()
  const answer = await operate([
    add('plans', { name: 'Together' }, { lid: 'p' }),
    add(
      'users',
      { email: 'together@example.com' },
      { lid: 'u', relationships: { plan: { data: { type: 'plans', lid: 'p' } } } },
    ),
    add('api_keys', { name: 'one' }, { relationships: { user: { data: { type: 'users', lid: 'u' } } } }),
    add('api_keys', { name: 'two' }, { id: 'key_two', relationships: { user: { data: { type: 'users', lid: 'u' } } } }),
    add('upstreams', { name: 'u', base_url: 'http://127.0.0.1:9000' }, { lid: 'up' }),
    add(
      'routes',
      { name: 'r', path_pattern: '/together' },
      { relationships: { upstream: { data: { type: 'upstreams', lid: 'up' } } } },
    ),
    { op: 'update', ref: { type: 'users', lid: 'u' }, data: { type: 'users', lid: 'u', attributes: { name: 'Ada' } } },
    { op: 'update', data: { type: 'plans', id: 'plan_a', attributes: { description: 'changed' } } },
    { op: 'update', ref: { type: 'users', id: 'usr_a', relationship: 'plan' }, data: { type: 'plans', lid: 'p' } },
    { op: 'remove', ref: { type: 'api_keys', id: 'key_two' } },
  ])
  expect([answer.status, answer.headers['content-type']]).toEqual([200, type])
  expect(answer.document.jsonapi).toEqual({ version: '1.1', ext: [atomicExtension] })
  const results = answer.document['atomic:results']
  const [plan, user, key] = results.map(({ data }: { data: unknown }) => data)
  expect(results).toMatchObject([
    { data: { type: 'plans', attributes: { name: 'Together' } } },
    { data: { type: 'users', attributes: { plan_id: plan.id } } },
    { data: { type: 'api_keys', meta: { key: expect.stringMatching(/^ak_[0-9a-f]{64}$/), note: expect.any(String) } } },
    { data: { id: 'key_two', relationships: { user: { data: { type: 'users', id: user.id } } } } },
    { data: { type: 'upstreams' } },
    { data: { type: 'routes' } },
    { data: { id: user.id, attributes: { name: 'Ada' } } },
    { data: { id: 'plan_a', attributes: { description: 'changed' } } },
    { data: { type: 'plans', id: plan.id } },
    {},
  ])
  expect(answer.headers['x-config-revision']).toBe(String(before + 1))
  expect(await head()).toBe(before + 1)
  const audited = await api.database.prisma.auditEvent.findMany({
    where: { configRevision: BigInt(before + 1) },
    orderBy: { id: 'asc' },
  })
  expect(audited.map(({ action }) => action)).toEqual([
    ...['plans.create', 'users.create', 'api_keys.create', 'api_keys.create', 'upstreams.create', 'routes.create'],
    ...['users.update', 'plans.update', 'users.update', 'api_keys.delete'],
  ])
  expect((await api.call('GET', `/api/api-keys/${key.id}`)).document.data).toEqual({ ...key, meta: undefined })
  expect((await api.call('GET', '/api/users/usr_a')).document.data.attributes.plan_id).toBe(plan.id)
})

test('a group is made with its members and a key, and handed over, in one call', async () => {
  const link = (type: string, lid: string) => ({ data: { type, lid } })
  const answer = await operate([
    add('users', { email: 'first@example.com' }, { lid: 'first' }),
    add('users', { email: 'second@example.com' }, { lid: 'second' }),
    add('groups', { name: 'Operated' }, { lid: 'g', relationships: { owner: link('users', 'first') } }),
    add(
      'group_members',
      { role: 'admin' },
      { lid: 'm', relationships: { group: link('groups', 'g'), user: link('users', 'second') } },
    ),
    add('api_keys', {}, { relationships: { group: link('groups', 'g') } }),
    { op: 'update', data: { type: 'group_members', lid: 'm', attributes: { role: 'owner' } } },
    {
      op: 'add',
      ref: { type: 'groups', lid: 'g', relationship: 'members' },
      data: [{ type: 'group_members', lid: 'm' }],
    },
    { op: 'update', ref: { type: 'groups', lid: 'g', relationship: 'owner' }, data: { type: 'users', lid: 'first' } },
    {
      ...{ op: 'remove', ref: { type: 'groups', lid: 'g', relationship: 'members' } },
      data: [{ type: 'group_members', lid: 'm' }],
    },
  ])
  expect(answer.status).toBe(200)
  const [first, , group] = answer.document['atomic:results'].map(({ data }: { data: { id: string } }) => data?.id)
  const { document } = await api.call('GET', `/api/groups/${group}?include=members,owner`)
  expect(document.included).toMatchObject([{ attributes: { role: 'owner' } }, { type: 'users', id: first }])
})

test('href works in place of ref, and 204 answers what has no results', async () => {
  const made = await operate([
    {
      op: 'add',
      href: '/api/users',
      data: { type: 'users', id: 'usr_href', attributes: { email: 'href@example.com' } },
    },
    { op: 'update', href: '/api/users/usr_href', data: { type: 'users', id: 'usr_href', attributes: { name: 'x' } } },
    { op: 'update', href: '/api/users/usr_href/relationships/plan', data: { type: 'plans', id: 'plan_a' } },
  ])
  expect(made.document['atomic:results'][1].data.attributes.name).toBe('x')
  const gone = await operate([{ op: 'remove', href: '/api/users/usr_href' }])
  expect([gone.status, gone.document]).toEqual([204, null])
  expect(Number(gone.headers['x-config-revision'])).toBe(await head())
})

test('groups, their members and webhooks are written, too', async () => {
  const user = (lid: string) => add('users', { email: `${lid}@example.org` }, { lid })
  const ref = { type: 'groups', lid: 'g', relationship: 'members' }
  const answer = await operate([
    ...[user('owner'), user('one'), user('two')],
    add('groups', { name: 'Team' }, { lid: 'g', relationships: { owner: { data: { type: 'users', lid: 'owner' } } } }),
    {
      ...add('group_members', { role: 'admin' }),
      data: {
        ...{ type: 'group_members', lid: 'm', attributes: { role: 'admin' } },
        relationships: { group: { data: { type: 'groups', lid: 'g' } }, user: { data: { type: 'users', lid: 'one' } } },
      },
    },
    { op: 'update', data: { type: 'group_members', lid: 'm', attributes: { role: 'member' } } },
    { op: 'remove', ref, data: [{ type: 'group_members', lid: 'm' }] },
    add('webhooks', { name: 'w', url: 'https://example.com/hook', events: ['*'] }),
  ])
  const results = answer.document['atomic:results'] ?? answer.document
  expect(results).toMatchObject([
    ...[{}, {}, {}, { data: { type: 'groups' } }, { data: { attributes: { role: 'admin' } } }],
    ...[
      { data: { attributes: { role: 'member' } } },
      {},
      { data: { meta: { secret: expect.stringMatching(/^whsec_/) } } },
    ],
  ])
  const member = { op: 'update', ref: { type: 'group_members', id: 'gmb_x', relationship: 'group' } }
  const moved = await operate([{ ...member, data: { type: 'groups', id: 'grp_x' } }])
  expect([moved.status, sources(moved)]).toEqual([403, [{ pointer: '/atomic:operations/0/ref/relationship' }]])
})

describe('one that fails undoes all', () => {
  const nothingHappened = async (answer: () => Promise<ApiAnswer>): Promise<ApiAnswer> => {
    const counts = async () => {
      const { user, plan, apiKey, auditEvent } = api.database.prisma
      return [await head(), await user.count(), await plan.count(), await apiKey.count(), await auditEvent.count()]
    }
    const before = await counts()
    const answered = await answer()
    expect(await counts()).toEqual(before)
    return answered
  }

  test('with all that is wrong by itself, and a pointer to each', async () => {
    const answer = await nothingHappened(() =>
      operate([
        add('plans', { name: 'fine' }),
        add('users', { email: 'nonsense', colour: 'red' }, { lid: 'u' }),
        add('api_keys', {}, { relationships: { user: { data: { type: 'users', lid: 'u' } } } }),
        add('api_keys', {}, { relationships: { user: { data: { type: 'users', lid: 'none' } } } }),
        add('horses', {}),
        { op: 'multiply' },
        7,
        { op: 'remove' },
        { op: 'remove', ref: { type: 'users', id: 'plan_a' } },
        { op: 'update', ref: { type: 'users', id: 'usr_a' }, data: { type: 'users', id: 'usr_b' } },
        { op: 'remove', ref: { type: 'users', id: 'usr_a' }, href: '/api/users/usr_a' },
        { op: 'remove', href: 'https://example.com/api/users/usr_a' },
        { op: 'remove', href: '/api/users/usr_a/plan' },
        { op: 'update', ref: { type: 'users', id: 'usr_a', relationship: 'horse' }, data: null },
        { op: 'add', ref: { type: 'users', id: 'usr_a', relationship: 'plan' }, data: null },
        { op: 'update', ref: { type: 'users', id: 'usr_a', relationship: 'plan' }, data: null },
        add('users', { email: 'b@example.com' }, { lid: 'u' }),
        { op: 'update', data: { type: 'users', attributes: {} } },
        { op: 'add', href: '/api/plans', data: { type: 'users', attributes: {} } },
      ]),
    )
    const at = (pointer: string) => ({ pointer: `/atomic:operations/${pointer}` })
    expect(sources(answer)).toEqual([
      ...[at('1/data/attributes/colour'), at('1/data/attributes/email'), at('3/data/relationships/user/data/lid')],
      ...[
        at('4/data/type'),
        at('5/op'),
        at('6'),
        at('7'),
        at('8/ref/id'),
        at('9/data/id'),
        at('10/href'),
        at('11/href'),
      ],
      ...[at('12/href'), at('13/ref/relationship'), at('14/op'), at('15/data'), at('16/data/lid'), at('17/data')],
      at('18/data/type'),
    ])
    expect(answer.status).toBe(422)
  })

  test.each([
    ['a unique value', add('users', { email: 'A@example.com' }), 409, 'conflict', '/data/attributes/email'],
    ['an id that is taken', add('plans', { name: 'n' }, { id: 'plan_a' }), 409, 'conflict', '/data/id'],
    ['a key of nobody', add('api_keys', {}), 422, 'validation_error', '/data/attributes'],
    ['a related resource', add('api_keys', { user_id: 'usr_none' }), 404, 'not_found', '/data/attributes/user_id'],
    [
      'a linked resource',
      add(
        'users',
        { email: 'c@example.com' },
        { relationships: { plan: { data: { type: 'plans', id: 'plan_none' } } } },
      ),
      ...([404, 'not_found', '/data/relationships/plan/data/id'] as const),
    ],
    ['a missing target', { op: 'remove', ref: { type: 'users', id: 'usr_none' } }, 404, 'not_found', '/ref'],
    [
      'a missing target of an update',
      { op: 'update', data: { type: 'users', id: 'usr_none', attributes: {} } },
      ...([404, 'not_found', ''] as const),
    ],
    ['what is still in use', { op: 'remove', href: '/api/plans/plan_b' }, 409, 'conflict', ''],
    [
      'what cannot be updated',
      { op: 'update', data: { type: 'api_keys', id: 'key_b', attributes: { scopes: ['admin:read'] } } },
      ...([422, 'validation_error', '/data/attributes/scopes'] as const),
    ],
    [
      'a relationship that cannot be updated',
      {
        ...{ op: 'update', ref: { type: 'api_keys', id: 'key_b', relationship: 'user' } },
        data: { type: 'users', id: 'usr_a' },
      },
      ...([403, 'forbidden', '/ref/relationship'] as const),
    ],
    [
      'a read-only attribute',
      { op: 'update', data: { type: 'plans', id: 'plan_a', attributes: { created_at: '2020-01-01T00:00:00Z' } } },
      ...([422, 'validation_error', '/data/attributes/created_at'] as const),
    ],
    [
      'a route that does not compile',
      add('routes', { name: 'r', path_pattern: '/(', match_type: 'regex', upstream_id: 'ups_b' }),
      ...([422, 'validation_error', '/data/attributes/path_pattern'] as const),
    ],
  ])('%s', async (_, operation, status, code, pointer) => {
    const answer = await nothingHappened(() =>
      operate([
        add('plans', { name: 'before' }, { id: 'plan_b' }),
        add('users', { email: 'before@example.com', plan_id: 'plan_b' }, { id: 'usr_b' }),
        add('api_keys', { user_id: 'usr_b' }, { id: 'key_b' }),
        operation,
      ]),
    )
    expect([answer.status, codes(answer), sources(answer)]).toEqual([
      ...[status, [code], [{ pointer: `/atomic:operations/3${pointer}` }]],
    ])
  })

  test('the one of many keys that cannot be made is named', async () => {
    const keys = Array.from({ length: 50 }, (_, index) => add('api_keys', { user_id: 'usr_a' }, { id: `key_${index}` }))
    keys[37] = add('api_keys', { user_id: 'usr_none' })
    const answer = await nothingHappened(() => operate(keys))
    expect(sources(answer)).toEqual([{ pointer: '/atomic:operations/37/data/attributes/user_id' }])
    keys[37] = add('api_keys', { user_id: 'usr_a' }, { id: 'key_12' })
    const twice = await nothingHappened(() => operate(keys))
    expect([codes(twice), sources(twice)]).toEqual([['conflict'], [{ pointer: '/atomic:operations/37/data/id' }]])
  })
})

describe('a document that is none', () => {
  test.each([
    [{}, 400, ''],
    [[], 400, ''],
    [{ data: {} }, 400, ''],
    [{ 'atomic:operations': {} }, 400, '/atomic:operations'],
    [{ 'atomic:operations': [] }, 400, '/atomic:operations'],
    [{ 'atomic:operations': Array.from({ length: 10_001 }, () => 1) }, 413, '/atomic:operations'],
  ])('%.40j', async (body, status, pointer) => {
    const answer = await api.call('POST', url, JSON.stringify(body), { 'content-type': type })
    expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
  })

  test('with thousands of mistakes is answered with a hundred', async () => {
    const answer = await operate(Array.from({ length: 5_000 }, () => ({ op: 'x' })))
    expect([answer.status, answer.document.errors.length]).toEqual([400, 100])
  })

  test('may be larger than other bodies, and has a limit of its own', async () => {
    const padded = (bytes: number) => operate([add('plans', { name: 'x' }, { padding: 'x'.repeat(bytes) })])
    expect((await padded(300_000)).status).toBe(413)
    expect((await padded(150_000)).status).toBe(200)
  })
})

describe('the extension', () => {
  test.each([
    [type, 200],
    [`${mediaType};profile="https://example.com/p"; ext=${atomicExtension}`, 200],
    ['application/json', 200],
    [mediaType, 415],
    [`${mediaType}; ext="${atomicExtension} https://example.com/other"`, 415],
    [`${mediaType}; ext="https://example.com/other"`, 415],
    [`${type}; charset=utf-8`, 415],
  ])('as Content-Type %s: %i', async (contentType, status) => {
    const update = { op: 'update', data: { type: 'plans', id: 'plan_a', attributes: {} } }
    expect((await operate([update], { 'content-type': contentType })).status).toBe(status)
  })

  test.each([
    [type, 200],
    [undefined, 200],
    ['*/*', 200],
    [mediaType, 200],
    [`${mediaType}; charset=utf-8, ${type}; q=0.5`, 200],
    [`${mediaType}; ext="https://example.com/other"`, 406],
    [`${type}; charset=utf-8`, 406],
  ])('in Accept %s: %i', async (accept, status) => {
    const update = { op: 'update', data: { type: 'plans', id: 'plan_a', attributes: {} } }
    expect((await operate([update], { accept })).status).toBe(status)
  })

  test('is unknown elsewhere, and its path has one method', async () => {
    expect((await api.call('POST', '/api/plans', {}, { 'content-type': type })).status).toBe(415)
    expect((await api.call('GET', '/api/plans', undefined, { accept: type })).status).toBe(406)
    const got = await api.call('GET', url)
    expect([got.status, got.headers['allow']]).toEqual([405, 'POST'])
    expect((await api.call('POST', `${url}?include=plan`, {}, { 'content-type': type })).status).toBe(400)
  })
})

test('a condition that no operation is held against is refused', async () => {
  const answer = await operate([add('plans', { name: 'conditional' })], { 'if-match': '"x"' })
  expect([answer.status, sources(answer)]).toEqual([400, [{ header: 'If-Match' }]])
})

test('operations that meet others at once leave every update in place', async () => {
  const users = Array.from({ length: 10 }, (_, index) => `usr_m${index}`)
  await operate(users.map((id) => add('users', { email: `${id}@example.com` }, { id })))
  const rename = (name: string, ids: string[]) =>
    operate(ids.map((id) => ({ op: 'update', data: { type: 'users', id, attributes: { name } } })))
  // Locked in opposite orders: one of two loses, and is done again.
  const answers = await Promise.all([rename('up', users), rename('down', users.toReversed()), rename('up', users)])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  const rows = await api.database.prisma.user.findMany({ where: { id: { in: users } } })
  expect(new Set(rows.map(({ name }) => name)).size).toBe(1)
})
