import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type ApiAnswer, type TestApi } from '../api.fixture.ts'
import { mediaType } from './document.ts'

/**
 * What JSON:API 1.1 (https://jsonapi.org/format/1.1/) asks of a server, in 44 numbered rules, each tried on a started API.
 */

const atomic = 'https://jsonapi.org/ext/atomic'
const unknownExtension = 'https://example.com/ext'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_a', name: 'A' })
  await api.create('plans', { id: 'plan_b', name: 'B' })
  for (const n of [1, 2, 3]) await api.create('users', { id: `usr_${n}`, email: `${n}@example.com`, plan_id: 'plan_a' })
  await api.create('api-keys', { id: 'key_a', user_id: 'usr_1' })
  await api.create('api-keys', { id: 'key_free', scopes: ['meter:write'] })
  await api.create('upstreams', { id: 'ups_a', name: 'u', base_url: 'http://127.0.0.1:9' })
  await api.create('routes', { id: 'rte_a', name: 'r', path_pattern: '/a', upstream_id: 'ups_a' })
  await api.create('groups', { id: 'grp_a', name: 'G', slug: 'g', owner_id: 'usr_1' })
  await api.create('group-members', { id: 'gmb_2', group_id: 'grp_a', user_id: 'usr_2', role: 'member' })
})
afterAll(() => api?.stop())

const get = (url: string, headers: Record<string, string | undefined> = {}) => api.call('GET', url, undefined, headers)
const post = (url: string, body: unknown, headers: Record<string, string | undefined> = {}) =>
  api.call('POST', url, body, headers)
const accept = (value: string) => get('/api/plans', { accept: value })
const plan = (data: object) => ({ data: { type: 'plans', ...data } })
const idsOf = ({ document }: ApiAnswer): string[] => document.data.map(({ id }: { id: string }) => id)
const collections = [
  'users',
  'plans',
  'api-keys',
  'upstreams',
  'routes',
  'groups',
  'group-members',
  'workers',
  'webhooks',
]

/** As much of a resource object as these tests look at. */
interface Resource {
  type: string
  id: string
  attributes: Record<string, unknown>
  relationships?: Record<string, { data?: Resource; links: { self: string; related: string } }>
  links: { self: string }
}

/** All resource objects of a document. */
const objectsIn = (document: ApiAnswer['document']): Resource[] =>
  [document.data, document.included ?? []].flat(2).filter(Boolean)

describe('media types', () => {
  test('1: every body comes as the JSON:API type, without charset', async () => {
    const answers = [
      await get('/api/users'),
      await get('/api/users/usr_1'),
      await get('/api/users/usr_none'),
      await get('/api/users', { 'x-api-key': undefined }),
      await post('/api/plans', '{'),
      await api.call('PATCH', '/api/users/usr_1', { name: 'x' }),
      await api.call('OPTIONS', '/api/users'),
    ]
    expect(answers.map(({ headers }) => headers['content-type'])).toEqual(answers.map(() => mediaType))
  })

  test.each(['charset=utf-8', 'version=1', 'x="ext"'])('2: a body whose type has %s is 415', async (parameter) => {
    expect((await post('/api/plans', plan({}), { 'content-type': `${mediaType}; ${parameter}` })).status).toBe(415)
  })

  test('3: a body of an extension that is not known is 415', async () => {
    const type = `${mediaType}; ext="${unknownExtension}"`
    expect((await post('/api/plans', plan({}), { 'content-type': type })).status).toBe(415)
    expect((await post('/api/operations', { 'atomic:operations': [] }, { 'content-type': type })).status).toBe(415)
  })

  test('4: when each JSON:API entry of Accept has a parameter, 406; a weight is none', async () => {
    expect((await accept(`${mediaType}; charset=utf-8`)).status).toBe(406)
    expect((await accept(`${mediaType}; a=1;q=0.5, text/html, ${mediaType};b=2`)).status).toBe(406)
    expect((await accept(`${mediaType};q=0.5`)).status).toBe(200)
  })

  test('5: when each asks for an extension that is not known, 406; one plain entry is enough', async () => {
    const wanting = `${mediaType}; ext="${unknownExtension}"`
    expect((await accept(wanting)).status).toBe(406)
    expect((await accept(`${wanting}, ${mediaType}`)).status).toBe(200)
  })

  test('6: a profile that is not known does not matter', async () => {
    const type = `${mediaType}; profile="https://example.com/one https://example.com/two"`
    expect((await accept(type)).status).toBe(200)
    expect((await post('/api/plans', plan({ attributes: { name: 'six' } }), { 'content-type': type })).status).toBe(201)
  })

  test('7: answers vary with Accept', async () => {
    for (const url of ['/api/plans', '/api/plans/plan_none'])
      expect((await get(url)).headers['vary']).toMatch(/\bAccept\b/)
  })
})

describe('documents', () => {
  test('8: have data, errors or meta; not data and errors; included beside data only', async () => {
    for (const url of ['/api/users?include=plan', '/api/users/usr_1', '/api/users/usr_none', '/api/users?sort=x']) {
      const { document } = await get(url)
      expect(Object.keys(document).filter((name) => name === 'data' || name === 'errors')).toHaveLength(1)
      expect('included' in document && !('data' in document)).toBe(false)
    }
  })

  test('9: name each resource by text, once, and no field is called id or type or stands twice', async () => {
    for (const collection of collections) {
      const { document } = await get(`/api/${collection}`)
      const objects = objectsIn(document)
      expect(objects.every(({ id, type }) => typeof id === 'string' && typeof type === 'string')).toBe(true)
      expect(new Set(objects.map(({ id, type }) => `${type} ${id}`)).size).toBe(objects.length)
      for (const { attributes, relationships = {} } of objects) {
        const fields = [...Object.keys(attributes), ...Object.keys(relationships)]
        expect(new Set([...fields, 'id', 'type']).size).toBe(fields.length + 2)
      }
    }
  })

  test('10: a collection is a list, empty or with one; nothing at an existing address is null', async () => {
    expect((await get('/api/users?filter[id]=usr_none')).document.data).toEqual([])
    expect((await get('/api/users?filter[id]=usr_1')).document.data).toHaveLength(1)
    expect((await get('/api/api-keys/key_free/user')).document).toMatchObject({ data: null })
  })

  test('11: a relationship has links or data; linkage is null, an identifier or a list of them', async () => {
    const key = (await get('/api/api-keys/key_free')).document.data.relationships.user
    expect(key).toMatchObject({ data: null, links: { self: expect.any(String), related: expect.any(String) } })
    const user = (await get('/api/users/usr_1')).document.data.relationships.plan
    expect(user.data).toEqual({ type: 'plans', id: 'plan_a' })
    const group = (await get('/api/groups/grp_a?include=members')).document.data.relationships.members
    expect(group.data).toContainEqual({ type: 'group_members', id: 'gmb_2' })
  })

  test('12: self and related links answer with what they name', async () => {
    for (const collection of collections) {
      for (const object of objectsIn((await get(`/api/${collection}`)).document)) {
        const own = await get(object.links.self)
        expect([own.status, own.document.data.id, own.document.data.type]).toEqual([200, object.id, object.type])
        for (const relationship of Object.values(object.relationships ?? {})) {
          const linkage = await get(relationship.links.self)
          const related = await get(relationship.links.related)
          expect([linkage.status, related.status]).toEqual([200, 200])
          const [one, two] = [linkage.document.data, related.document.data].map((data) =>
            [data].flat().map((each) => each?.id),
          )
          expect(one).toEqual(two)
        }
      }
    }
  })

  test('13: links are URI references with brackets encoded, or null', async () => {
    const { document } = await get('/api/users?page[size]=1&filter[name][like]=&fields[users]=email')
    const links = Object.values<string | null>(document.links).filter((link) => link !== null)
    expect(links.length).toBeGreaterThan(2)
    expect(links.filter((link) => /[[\] "<>\\^`{|}]/.test(link))).toEqual([])
    expect((await get(document.links.next)).document.data).toHaveLength(1)
  })

  test('14: what is included is reachable from the primary data, and there once', async () => {
    const { document } = await get('/api/api-keys?include=user.plan,user')
    const linked = new Set<string>()
    for (const { relationships = {} } of objectsIn(document)) {
      for (const { data } of Object.values(relationships)) if (data) linked.add(`${data.type} ${data.id}`)
    }
    const included = document.included.map(({ type, id }: Resource) => `${type} ${id}`)
    expect(included.toSorted()).toEqual(['plans plan_a', 'users usr_1'])
    expect(included.filter((name: string) => !linked.has(name))).toEqual([])
  })

  test('15: member names are of the allowed characters, and members of others are ignored', async () => {
    const names: string[] = []
    JSON.stringify((await get('/api/groups?include=members.user')).document, (name, value) => {
      if (name !== '' && !/^\d+$/.test(name)) names.push(name)
      return value as unknown
    })
    expect(names.filter((name) => !/^[a-zA-Z0-9](?:[\w -]*[a-zA-Z0-9])?$/.test(name))).toEqual([])
    const extra = {
      '@context': { a: 1 },
      'ex:note': 1,
      data: { type: 'plans', '@note': 1, attributes: { name: '15' } },
    }
    expect((await post('/api/plans', extra)).status).toBe(201)
  })
})

describe('reading', () => {
  test('16: a resource that is not there is 404 with errors, an empty to-one is 200 with null', async () => {
    const { status, document } = await get('/api/plans/plan_none')
    expect([status, document.errors[0].status]).toEqual([404, '404'])
    expect([(await get('/api/api-keys/key_free/user')).status]).toEqual([200])
  })

  test('17: a relationship address answers with linkage only; an unknown one, or of nobody, is 404', async () => {
    const { document } = await get('/api/users/usr_1/relationships/plan')
    expect(document.data).toEqual({ type: 'plans', id: 'plan_a' })
    expect((await get('/api/users/usr_1/relationships/nope')).status).toBe(404)
    expect((await get('/api/users/usr_none/relationships/plan')).status).toBe(404)
  })

  test('18: include of an unknown path is 400, else included is there, and nothing unasked in it', async () => {
    const unknown = await get('/api/users?include=nope')
    expect([unknown.status, sources(unknown)]).toEqual([400, [{ parameter: 'include' }]])
    expect((await get('/api/api-keys/key_free?include=user')).document.included).toEqual([])
    expect((await get('/api/users?include=')).document.included).toEqual([])
    expect((await get('/api/users')).document.included).toBeUndefined()
  })

  test('19: include takes lists of paths with dots, and steps on the way are there, too', async () => {
    const { document } = await get('/api/group-members/gmb_2?include=user.plan,group')
    expect(document.included.map(({ type }: Resource) => type).toSorted()).toEqual(['groups', 'plans', 'users'])
  })

  test('20: fields[type] leaves only those, attributes or relationships, also in what is included', async () => {
    const { document } = await get('/api/users/usr_1?include=plan&fields[users]=email,plan&fields[plans]=name')
    expect(Object.keys(document.data.attributes)).toEqual(['email'])
    expect(Object.keys(document.data.relationships)).toEqual(['plan'])
    expect(document.included).toMatchObject([{ attributes: { name: 'A' } }])
    expect(Object.keys(document.included[0].attributes)).toEqual(['name'])
    const none = (await get('/api/users/usr_1?fields[users]=')).document.data
    expect([none.attributes ?? {}, none.relationships ?? {}]).toEqual([{}, {}])
  })

  test('21: sort takes a list, - turns it round, and what cannot be sorted by is 400', async () => {
    expect(idsOf(await get('/api/users?sort=plan_id,-email'))).toEqual(['usr_3', 'usr_2', 'usr_1'])
    expect(idsOf(await get('/api/users?sort=email'))).toEqual(['usr_1', 'usr_2', 'usr_3'])
    const unknown = await get('/api/users?sort=nope')
    expect([unknown.status, sources(unknown)]).toEqual([400, [{ parameter: 'sort' }]])
  })

  test('22: pages are linked by first, last, prev and next, in the order that was asked for', async () => {
    const seen: string[] = []
    let url: string | null | undefined = '/api/users?sort=-email&page[size]=1'
    for (const first = url; url;) {
      const { document }: ApiAnswer = await get(url)
      seen.push(...document.data.map(({ id }: Resource) => id))
      expect(typeof document.links.prev).toBe(url === first ? 'undefined' : 'string')
      url = document.links.next
    }
    expect(seen).toEqual(['usr_3', 'usr_2', 'usr_1'])
    const { links } = (await get('/api/users?sort=-email&page[size]=1')).document
    expect(idsOf(await get(links.last))).toEqual(['usr_1'])
    expect(idsOf(await get(links.first))).toEqual(['usr_3'])
  })

  test('23: filter filters, and nothing else', async () => {
    expect(idsOf(await get('/api/users?filter[email]=1@example.com'))).toEqual(['usr_1'])
    expect((await get('/api/users?filter=x')).status).toBe(400)
  })

  test('24: an unknown parameter is 400, whether its brackets are encoded or not', async () => {
    for (const name of ['nope', 'nope[a]', 'nope%5Ba%5D', 'page[nope]', 'filters[id]']) {
      const answer = await get(`/api/users?${name}=1`)
      expect([answer.status, sources(answer)]).toEqual([400, [{ parameter: decodeURIComponent(name) }]])
    }
    expect(idsOf(await get('/api/users?filter%5Bid%5D=usr_2'))).toEqual(['usr_2'])
  })
})

describe('writing', () => {
  test('25: a request is done as a whole or not at all', async () => {
    const update = { type: 'users', id: 'usr_3', attributes: { name: 'half' } }
    const broken = { ...update, relationships: { plan: { data: { type: 'plans', id: 'plan_none' } } } }
    expect((await api.call('PATCH', '/api/users/usr_3', { data: broken })).status).toBe(404)
    expect((await get('/api/users/usr_3')).document.data.attributes.name).toBe('')
  })

  test('26: POST takes one resource object with a type and answers 201 with what was made', async () => {
    expect((await post('/api/plans', { data: [] })).status).toBe(400)
    expect((await post('/api/plans', { data: { attributes: { name: '26' } } })).status).toBe(400)
    const { status, document } = await post('/api/plans', plan({ attributes: { name: '26' } }))
    expect([status, document.data.type, document.data.attributes.name]).toEqual([201, 'plans', '26'])
  })

  test('27: Location leads to it, and is its self link', async () => {
    const { headers, document } = await post('/api/plans', plan({ attributes: { name: '27' } }))
    expect(headers['location']).toBe(document.data.links.self)
    expect((await get(String(headers['location']))).document.data.id).toBe(document.data.id)
  })

  test('28: another type is 409, and so is an id that is taken', async () => {
    expect((await post('/api/plans', { data: { type: 'users', attributes: { name: 'x' } } })).status).toBe(409)
    expect((await post('/api/plans', plan({ id: 'plan_a', attributes: { name: '28' } }))).status).toBe(409)
    expect((await post('/api/plans', plan({ id: 'plan_28', attributes: { name: '28' } }))).document.data.id).toBe(
      'plan_28',
    )
  })

  test('29: a related resource that is not there is 404, in a create and in an update', async () => {
    const relationships = { plan: { data: { type: 'plans', id: 'plan_none' } } }
    const user = { type: 'users', attributes: { email: '29@example.com' }, relationships }
    expect((await post('/api/users', { data: user })).status).toBe(404)
    const update = { type: 'users', id: 'usr_1', relationships }
    expect((await api.call('PATCH', '/api/users/usr_1', { data: update })).status).toBe(404)
  })

  test('30: 202 says that it is not finished everywhere', async () => {
    const wait = { prefer: 'wait=0' }
    const { status, document } = await api.call('PATCH', '/api/users/usr_1', { name: '30' }, wait)
    expect([status, document.data.attributes.name]).toEqual([202, '30'])
    expect(document.meta).toHaveProperty('workers_behind')
  })

  test('31: PATCH names type and id; what is not sent stays as it is', async () => {
    expect((await api.call('PATCH', '/api/users/usr_2', { data: { type: 'users' } })).status).toBe(400)
    expect((await api.call('PATCH', '/api/users/usr_2', { data: { id: 'usr_2' } })).status).toBe(400)
    const update = { data: { type: 'users', id: 'usr_2', attributes: { name: '31' } } }
    const { data } = (await api.call('PATCH', '/api/users/usr_2', update)).document
    expect(data.attributes).toMatchObject({ name: '31', email: '2@example.com', status: 'active', plan_id: 'plan_a' })
  })

  test('32: PATCH of another type or id is 409, of nothing 404', async () => {
    const patch = (id: string, data: object) => api.call('PATCH', `/api/users/${id}`, { data })
    expect((await patch('usr_2', { type: 'plans', id: 'usr_2' })).status).toBe(409)
    expect((await patch('usr_2', { type: 'users', id: 'usr_1' })).status).toBe(409)
    expect((await patch('usr_none', { type: 'users', id: 'usr_none' })).status).toBe(404)
  })

  test('33: PATCH answers with the resource, because more than was sent has changed', async () => {
    const before = (await get('/api/plans/plan_b')).document.data.attributes
    const { status, document } = await api.call('PATCH', '/api/plans/plan_b', { description: '33' })
    expect([status, document.data.attributes.description]).toEqual([200, '33'])
    expect(Date.parse(document.data.attributes.updated_at)).toBeGreaterThan(Date.parse(before.updated_at))
  })

  test('34: replacing all of a to-many relationship is 403, and then nothing of the update is done', async () => {
    const members = { data: [{ type: 'group_members', id: 'gmb_2' }] }
    const data = { type: 'groups', id: 'grp_a', attributes: { description: '34' }, relationships: { members } }
    expect((await api.call('PATCH', '/api/groups/grp_a', { data })).status).toBe(403)
    expect((await get('/api/groups/grp_a')).document.data.attributes.description).toBe('')
    expect((await api.call('PATCH', '/api/groups/grp_a/relationships/members', members)).status).toBe(403)
  })

  test('35: a to-one relationship is set by an identifier or null', async () => {
    const url = '/api/users/usr_3/relationships/plan'
    const { status, document } = await api.call('PATCH', url, { data: { type: 'plans', id: 'plan_b' } })
    expect([status, document.data.id]).toEqual([200, 'plan_b'])
    expect((await get('/api/users/usr_3')).document.data.relationships.plan.data.id).toBe('plan_b')
    // A user is never without a plan: null is understood, and refused.
    expect((await api.call('PATCH', url, { data: null })).status).toBe(422)
    expect((await api.call('PATCH', url, { data: [] })).status).toBe(400)
  })

  test('36: POST to a to-many relationship adds; who is there already is not doubled', async () => {
    const url = '/api/groups/grp_a/relationships/members'
    const before = idsOf(await get(url))
    expect((await post(url, { data: [{ type: 'group_members', id: 'gmb_2' }] })).status).toBe(204)
    expect(idsOf(await get(url))).toEqual(before)
    expect((await post(url, { data: [{ type: 'group_members', id: 'gmb_none' }] })).status).toBe(404)
  })

  test('37: DELETE with a body removes from it; who is not there is no error', async () => {
    await api.create('group-members', { id: 'gmb_3', group_id: 'grp_a', user_id: 'usr_3', role: 'member' })
    const url = '/api/groups/grp_a/relationships/members'
    const body = { data: [{ type: 'group_members', id: 'gmb_3' }] }
    expect((await api.call('DELETE', url, body)).status).toBe(204)
    expect((await api.call('DELETE', url, body)).status).toBe(204)
    expect(idsOf(await get(url))).not.toContain('gmb_3')
    expect(idsOf(await get(url))).toContain('gmb_2')
  })

  test('38: DELETE is 204, and 404 when there is nothing', async () => {
    await api.create('plans', { id: 'plan_38', name: '38' })
    expect((await api.call('DELETE', '/api/plans/plan_38')).status).toBe(204)
    expect((await api.call('DELETE', '/api/plans/plan_38')).status).toBe(404)
  })
})

describe('errors', () => {
  test('39: are a list of objects whose status is text', async () => {
    for (const answer of [await get('/api/nope'), await post('/api/plans', {}), await get('/api/users?a=1&b=2')]) {
      expect(answer.document.errors.length).toBeGreaterThan(0)
      for (const error of answer.document.errors) {
        expect(error).toMatchObject({
          status: String(answer.status),
          code: expect.any(String),
          title: expect.any(String),
        })
      }
    }
  })

  test('40: point at what is in the request: a place in the body, a parameter, a header', async () => {
    const bad = plan({ attributes: { name: '', price_monthly: 'x', 'a/b~c': 1 } })
    expect(sources(await post('/api/plans', bad))).toEqual(
      expect.arrayContaining([
        { pointer: '/data/attributes/name' },
        { pointer: '/data/attributes/price_monthly' },
        { pointer: '/data/attributes/a~1b~0c' },
      ]),
    )
    expect(sources(await post('/api/plans', plan({ attributes: {} })))).toEqual([{ pointer: '/data/attributes' }])
    expect(sources(await get('/api/plans?page[number]=x'))).toEqual([{ parameter: 'page[number]' }])
    expect(sources(await accept(`${mediaType};a=1`))).toEqual([{ header: 'Accept' }])
  })
})

describe('the rest', () => {
  test('41: jsonapi says the version and the extension that was applied, and what a client says there is not read', async () => {
    expect((await get('/api/users')).document.jsonapi).toEqual({ version: '1.1' })
    const type = `${mediaType}; ext="${atomic}"`
    const operation = { op: 'add', data: { type: 'plans', attributes: { name: '41' } } }
    const operated = await post(
      '/api/operations',
      { 'atomic:operations': [operation] },
      { 'content-type': type, accept: type },
    )
    expect(operated.document.jsonapi).toEqual({ version: '1.1', ext: [atomic] })
    const said = { jsonapi: { version: '9', ext: [unknownExtension] }, ...plan({ attributes: { name: '41b' } }) }
    expect((await post('/api/plans', said)).status).toBe(201)
  })

  test('42: a lid names a resource within one document, for what is not made yet', async () => {
    const type = `${mediaType}; ext="${atomic}"`
    const operate = (operations: object[]) =>
      post('/api/operations', { 'atomic:operations': operations }, { 'content-type': type, accept: type })
    const user = (lid: unknown) => ({
      ...{ type: 'users', attributes: { email: '42@example.com' } },
      relationships: { plan: { data: { type: 'plans', lid } } },
    })
    const made = { op: 'add', data: { type: 'plans', lid: 'p', attributes: { name: '42' } } }
    const { document } = await operate([made, { op: 'add', data: user('p') }])
    const [first, second] = document['atomic:results'].map(({ data }: { data: Resource }) => data)
    expect(second.relationships.plan.data).toEqual({ type: 'plans', id: first.id })
    expect(JSON.stringify(document)).not.toContain('"lid"')
    // Another document knows it no more; a number is no name.
    for (const lid of ['p', 7]) {
      expect(Math.trunc((await operate([{ op: 'add', data: user(lid) }])).status / 100)).toBe(4)
    }
  })

  test('43: in a query + is a space, and %20 too, and a name may be encoded', async () => {
    await api.create('users', { id: 'usr_43', email: '43@example.com', name: 'Ada Lovelace' })
    for (const query of ['filter[name]=Ada+Lovelace', 'filter[name]=Ada%20Lovelace', 'filter%5Bname%5D=Ada+Lovelace']) {
      expect(idsOf(await get(`/api/users?${query}`))).toEqual(['usr_43'])
    }
  })

  test('44: no body with 204, HEAD as GET, 405 with Allow, and reading changes nothing', async () => {
    await api.create('plans', { id: 'plan_44', name: '44' })
    const deleted = await api.call('DELETE', '/api/plans/plan_44')
    expect([deleted.status, deleted.document, deleted.headers['content-type']]).toEqual([204, null, undefined])
    const [got, head] = [await get('/api/plans'), await api.call('HEAD', '/api/plans')]
    expect([head.status, head.document]).toEqual([200, null])
    expect(head.headers['content-length']).toBe(got.headers['content-length'])
    const wrong = await api.call('DELETE', '/api/plans')
    expect([wrong.status, wrong.headers['allow']]).toEqual([405, 'GET, HEAD, POST'])
    expect((await get('/api/plans')).document).toEqual(got.document)
  })
})
