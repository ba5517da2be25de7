import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse, stringify } from 'yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

const exported = async () => (await api.call('GET', '/api/config/export')).document
const put = (body: unknown, query = '') => api.call('PUT', `/api/config${query}`, body)
const yaml = (text: string, query = '') =>
  api.call('PUT', `/api/config${query}`, text, { 'content-type': 'application/yaml' })
const head = async () => (await api.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })).revision
const summary = ({ document }: Awaited<ReturnType<typeof put>>) =>
  document.meta.changes.map(({ action, id }: { action: string; id: string }) => `${action} ${id}`)

const wanted = `
version: 1
plans:
  - { id: plan_a, name: A, rate_limit_per_minute: 10 }
  - { id: plan_b, name: B, is_default: true }
upstreams:
  - id: ups_a
    name: a
    base_url: http://a.test
    auth_type: bearer
    auth_value: the secret
routes:
  - { id: rte_a, name: a, path_pattern: /a/*, upstream_id: ups_a, methods: [GET] }
  - { id: rte_b, name: b, path_pattern: /b, upstream_id: ups_a }
`

describe('a document', () => {
  test('makes the configuration what it says, by one revision, and a second time nothing', async () => {
    const before = await head()
    const first = await yaml(wanted)
    expect(first.status, JSON.stringify(first.document)).toBe(200)
    expect(await head()).toBe(before + 1n)
    expect(first.headers['x-config-revision']).toBe(String(before + 1n))
    // The plan of the first start is not in the document.
    const [free] = summary(first).filter((text: string) => text.startsWith('delete'))
    expect(summary(first)).toEqual([
      'create plan_b',
      'create plan_a',
      'create ups_a',
      'create rte_a',
      'create rte_b',
      free,
    ])
    expect((await api.call('GET', '/api/plans')).document.meta.total).toBe(2)

    const again = await put(await exported())
    expect([again.status, summary(again), await head()]).toEqual([200, [], before + 1n])
  })

  test('is exported whole, in JSON and YAML alike, without secrets, and fits its schema', async () => {
    const document = await exported()
    expect(document).toMatchObject({
      version: 1,
      plans: [
        { id: 'plan_a', rate_limit_per_minute: 10, burst: null },
        { id: 'plan_b', is_default: true },
      ],
      upstreams: [{ id: 'ups_a', auth_type: 'bearer' }],
      routes: [{ id: 'rte_a', upstream_id: 'ups_a', methods: ['GET'] }, { id: 'rte_b' }],
    })
    const asYaml = await api.app.inject({
      url: '/api/config/export',
      headers: { accept: 'application/yaml', 'x-api-key': api.adminKey },
    })
    expect(asYaml.headers['content-type']).toBe('application/yaml')
    expect(parse(asYaml.body)).toEqual(document)
    expect(asYaml.body).not.toContain('the secret')
    const schema = await api.app.inject({ url: '/api/config/schema' })
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(schema.body))
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true)
    expect(validate({ routes: [{ id: 'rte_x', name: 'x' }] })).toBe(false)
    expect(validate({ routes: [{ id: 'ups_x', name: 'x', path_pattern: '/', upstream_id: 'ups_a' }] })).toBe(false)
  })

  test('changes what differs, deletes what it lacks, and leaves sections alone that it does not have', async () => {
    const changed = {
      upstreams: [
        { id: 'ups_a', timeout_ms: 5 },
        { id: 'ups_b', name: 'b', base_url: 'http://b.test' },
      ],
      routes: [{ id: 'rte_b', upstream_id: 'ups_b', priority: 3 }],
    }
    const { document } = await put(changed)
    expect(document.meta).toMatchObject({ dry_run: false, created: 1, updated: 2, deleted: 1 })
    expect(document.meta.changes).toMatchObject([
      { action: 'update', type: 'upstreams', id: 'ups_a', before: { timeout_ms: 30_000 }, after: { timeout_ms: 5 } },
      { action: 'create', type: 'upstreams', id: 'ups_b', before: null },
      {
        ...{ action: 'update', id: 'rte_b' },
        before: { upstream_id: 'ups_a', priority: 0 },
        after: { upstream_id: 'ups_b', priority: 3 },
      },
      { action: 'delete', type: 'routes', id: 'rte_a', after: null },
    ])
    const { plans, upstreams, routes } = await exported()
    expect(plans).toHaveLength(2)
    expect(upstreams).toMatchObject([{ id: 'ups_a', timeout_ms: 5, auth_type: 'bearer' }, { id: 'ups_b' }])
    expect(routes).toHaveLength(1)
    // The secret that nobody spoke of is still there.
    const row = await api.database.prisma.upstream.findUniqueOrThrow({ where: { id: 'ups_a' } })
    expect(row.authValueSealed).not.toBeNull()
  })

  test('moves the default from plan to plan', async () => {
    const plans = [
      { id: 'plan_b', is_default: false },
      { id: 'plan_a', is_default: true },
    ]
    expect((await put({ plans })).status).toBe(200)
    expect((await exported()).plans).toMatchObject([{ is_default: true }, { is_default: false }])
  })

  test('that is only tried says what it would do, and changes nothing', async () => {
    const [before, state] = [await head(), await exported()]
    const dry = await put({ upstreams: [], routes: [] }, '?dry_run=true')
    expect([dry.status, dry.document.meta.dry_run]).toEqual([200, true])
    expect(summary(dry)).toEqual(['delete rte_b', 'delete ups_a', 'delete ups_b'])
    expect([await head(), await exported()]).toEqual([before, state])
    const wrong = await put({ plans: [] }, '?dry_run=true')
    expect([wrong.status, sources(wrong)]).toEqual([409, [{ pointer: '/plans' }]])
    for (const query of ['?dry_run=yes', '?dry_run=true&x_y=1', '?dryrun=1']) {
      expect((await put({}, query)).status).toBe(400)
    }
  })

  test('that is only tried shows no secret of a webhook: it would be nobody’s', async () => {
    const webhooks = [{ id: 'whk_a', name: 'a', url: 'https://93.184.216.34/', events: ['*'] }]
    const [tried, made] = [await put({ webhooks }, '?dry_run=true'), await put({ webhooks })]
    expect(tried.document.meta.changes).toMatchObject([{ action: 'create', id: 'whk_a' }])
    expect(JSON.stringify(tried.document)).not.toContain('whsec_')
    expect(made.document.meta.changes[0].meta.secret).toMatch(/^whsec_/)
  })

  test('shows of a secret that it is written, and neither its value nor that there is none', async () => {
    const upstreams = [{ id: 'ups_a', auth_value: 'another secret' }, { id: 'ups_b' }]
    const { document } = await put({ upstreams }, '?dry_run=true')
    expect(document.meta.changes).toEqual([
      {
        ...{ action: 'update', type: 'upstreams', id: 'ups_a' },
        before: { auth_value: '[masked]' },
        after: { auth_value: '[masked]' },
      },
    ])
  })

  test('leaves a trail like any other write', async () => {
    await put({ upstreams: [{ id: 'ups_a', timeout_ms: 6 }, { id: 'ups_b' }] })
    const { document } = await api.call(
      'GET',
      '/api/audit-events?page[size]=1&sort=-id&filter[action]=upstreams.update',
    )
    expect(document.data[0].attributes).toMatchObject({ actor_type: 'api_key', target_id: 'ups_a' })
  })
})

describe('a document that is wrong', () => {
  test.each([
    ['no object', [], 400, ['']],
    ['an unknown section', { keys: [] }, 400, ['/keys']],
    ['another version', { version: 2 }, 400, ['/version']],
    ['a section that is no list', { routes: {} }, 400, ['/routes']],
    [
      'entries without an id or twice',
      { routes: [{}, 7, { id: 'rte_b' }, { id: 'rte_b' }] },
      400,
      [...['/routes/0', '/routes/1', '/routes/3/id']],
    ],
    [
      'an entry that does not validate',
      { routes: [{ id: 'rte_b', priority: 'x', nope: 1 }] },
      422,
      [...['/routes/0/nope', '/routes/0/priority']],
    ],
    [
      'a pattern that no worker would take',
      { routes: [{ id: 'rte_b', path_pattern: 'x' }] },
      422,
      ['/routes/0/path_pattern'],
    ],
    [
      'an upstream that is not there',
      { routes: [{ id: 'rte_n', name: 'n', path_pattern: '/n', upstream_id: 'ups_no' }] },
      404,
      ['/routes/0/upstream_id'],
    ],
    [
      'an id of another type',
      { routes: [{ id: 'ups_n', name: 'n', path_pattern: '/n', upstream_id: 'ups_a' }] },
      422,
      ['/routes/0/id'],
    ],
    ['an upstream less that is in use', { upstreams: [{ id: 'ups_a' }] }, 409, ['/upstreams']],
  ])('%s: nothing is changed, and the pointer leads there', async (_name, body, status, pointers) => {
    const [before, state] = [await head(), await exported()]
    const answer = await put(body)
    expect([answer.status, sources(answer)]).toEqual([status, pointers.map((pointer) => ({ pointer }))])
    expect([await head(), await exported()]).toEqual([before, state])
  })

  test.each([
    ['that is not closed', 'routes: [', /line 1, column/],
    ['with a key twice', 'routes: []\nroutes: []', /line 2, column/],
    ['of many documents', 'a: 1\n---\nb: 2', /^line 2, column 1: another document begins here; send one$/],
    ['nested too deeply', '['.repeat(20_000), /nested|line 1/],
    ['that grows by aliases', bomb(), /aliases/],
    ['with a NUL', 'routes: "\\0"', /NUL/],
  ])('YAML %s is 400 with a reason', async (_name, text, reason) => {
    const { status, document } = await yaml(text)
    expect(status).toBe(400)
    expect(document.errors[0].detail).toMatch(reason)
  })

  test('YAML is taken here and nowhere else', async () => {
    expect((await yaml(stringify({ version: 1 }))).status).toBe(200)
    const elsewhere = await api.call('POST', '/api/plans', 'name: x', { 'content-type': 'application/yaml' })
    expect(elsewhere.status).toBe(415)
  })
})

/** Nine levels of nine aliases each. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`)
  return ['l0: &l0 x', ...levels].join('\n')
}
