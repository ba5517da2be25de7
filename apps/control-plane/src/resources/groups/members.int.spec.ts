import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

interface GroupObject {
  relationships: { members: { data: unknown[] } }
}

const people = ['ada', 'bob', 'cyd', 'dan']
let api: TestApi
let group: string
let other: string
beforeAll(async () => {
  api = await startTestApi()
  for (const name of people) await api.create('users', { id: `usr_${name}`, email: `${name}@example.com` })
})
beforeEach(async () => {
  group = (await api.create('groups', { name: 'g', owner_id: 'usr_ada' })).id
  other = (await api.create('groups', { name: 'other', owner_id: 'usr_bob' })).id
})
afterAll(() => api?.stop())

const add = (user: string, more: object = {}) => api.create(`groups/${group}/members`, { user_id: user, ...more })
const idsAt = async (url: string): Promise<string[]> =>
  (await api.call('GET', url)).document.data.map(({ id }: { id: string }) => id)

describe('a member', () => {
  test('is made under its group or among all members, read, changed and removed', async () => {
    const created = await api.call('POST', `/api/groups/${group}/members`, { user_id: 'usr_bob' })
    const { data } = created.document
    expect([created.status, data.attributes.role, data.id]).toEqual([201, 'member', expect.stringMatching(/^gmb_/)])
    expect(created.headers['location']).toBe(data.links.self)
    expect((await api.call('GET', data.links.self)).document.data).toEqual(data)
    expect((await api.call('GET', data.relationships.group.links.related)).document.data.id).toBe(group)
    const relationships = {
      group: { data: { type: 'groups', id: group } },
      user: { data: { type: 'users', id: 'usr_cyd' } },
    }
    const linked = await api.call('POST', '/api/group-members', {
      data: { type: 'group_members', attributes: { role: 'admin' }, relationships },
    })
    expect([linked.status, linked.document.data.attributes.role]).toEqual([201, 'admin'])

    const changed = await api.call('PATCH', data.links.self, { role: 'admin' })
    expect(changed.document.data.attributes.role).toBe('admin')
    const whole = await api.call('PATCH', data.links.self, changed.document)
    expect([whole.status, whole.document.data]).toEqual([200, changed.document.data])
    expect((await api.call('DELETE', data.links.self)).status).toBe(204)
    expect((await api.call('GET', data.links.self)).status).toBe(404)
    const trail = await api.database.prisma.auditEvent.findMany({ where: { targetId: data.id } })
    expect(trail.map(({ action }) => action)).toEqual([
      ...['group_members.create', 'group_members.update', 'group_members.delete'],
    ])
    // No worker knows of members.
    expect(new Set(trail.map(({ configRevision }) => configRevision))).toEqual(new Set([null]))
  })

  test('that comes as owner takes the place of the owner', async () => {
    const { attributes } = await add('usr_dan', { role: 'owner' })
    expect(attributes.role).toBe('owner')
    const { document } = await api.call('GET', `/api/groups/${group}?include=owner`)
    expect(document.included.map(({ id }: { id: string }) => id)).toEqual(['usr_dan'])
    expect(await idsAt(`/api/groups/${group}/members?filter[role]=owner`)).toHaveLength(1)
  })

  test.each([
    [{ user_id: 'usr_ada' }, 409, '/user_id'],
    [{ user_id: 'usr_none' }, 404, '/user_id'],
    [{}, 422, ''],
    [{ user_id: 'usr_bob', role: 'boss' }, 422, '/role'],
    [{ user_id: 'usr_bob', group_id: 'grp_other' }, 409, '/group_id'],
    [{ user_id: 'usr_bob', id: 'mem_1' }, 422, '/id'],
  ])('%j is refused', async (body, status, pointer) => {
    const answer = await api.call('POST', `/api/groups/${group}/members`, body)
    expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
  })

  test('is of one group and one user for ever, and of a group that is there', async () => {
    const { links } = await add('usr_bob')
    for (const [body, pointer] of [
      [{ user_id: 'usr_cyd' }, '/user_id'],
      [{ group_id: other }, '/group_id'],
    ] as const) {
      const answer = await api.call('PATCH', links.self, body)
      expect([answer.status, sources(answer)]).toEqual([422, [{ pointer }]])
    }
    expect((await api.call('POST', '/api/groups/grp_none/members', { user_id: 'usr_bob' })).status).toBe(404)
    const missing = await api.call('POST', '/api/group-members', { user_id: 'usr_bob' })
    expect([missing.status, sources(missing)]).toEqual([422, [{ pointer: '' }]])
    const nowhere = await api.call('POST', '/api/group-members', { user_id: 'usr_bob', group_id: 'grp_none' })
    expect([nowhere.status, sources(nowhere)]).toEqual([404, [{ pointer: '/group_id' }]])
  })

  test('goes with its user', async () => {
    await api.create('users', { id: 'usr_leaves', email: 'leaves@example.com' })
    const { links } = await add('usr_leaves')
    expect((await api.call('DELETE', '/api/users/usr_leaves')).status).toBe(204)
    expect((await api.call('GET', links.self)).status).toBe(404)
  })
})

describe('the members of a group', () => {
  test('are a collection with pages, filters, order, fields and include, of this group only', async () => {
    const members = [await add('usr_bob', { role: 'admin' }), await add('usr_cyd'), await add('usr_dan')]
    const url = `/api/groups/${group}/members`
    const { document } = await api.call(
      'GET',
      `${url}?page[size]=2&sort=created_at&include=user.plan&fields[users]=email`,
    )
    expect(document.meta).toEqual({ total: 4, page: 1, per_page: 2, pages: 2 })
    expect(document.links.next).toBe(
      `${url}?page%5Bsize%5D=2&sort=created_at&include=user.plan&fields%5Busers%5D=email&page%5Bnumber%5D=2`,
    )
    expect(document.included.map(({ type }: { type: string }) => type)).toEqual(['users', 'plans', 'users'])
    expect(await idsAt(document.links.next)).toEqual([members[1].id, members[2].id])
    expect(await idsAt(`${url}?filter[role]=admin`)).toEqual([members[0].id])
    expect(await idsAt(`${url}?filter[user]=usr_dan,usr_nobody`)).toEqual([members[2].id])
    expect(await idsAt(`${url}?filter[group]=${other}`)).toEqual([])
    expect(await idsAt(`/api/group-members?filter[user]=usr_bob&filter[group]=${group},${other}`)).toHaveLength(2)
    for (const query of ['filter[email]=x', 'include=owner', 'sort=name', 'filter[members]=x']) {
      expect((await api.call('GET', `${url}?${query}`)).status).toBe(400)
    }
    expect((await api.call('GET', '/api/groups/grp_none/members')).status).toBe(404)
  })

  test('are linked in pages', async () => {
    const { id } = await add('usr_bob')
    const url = `/api/groups/${group}/relationships/members`
    const { document } = await api.call('GET', `${url}?page[size]=1`)
    expect(document).toEqual({
      jsonapi: { version: '1.1' },
      data: [{ type: 'group_members', id }],
      links: {
        self: `${url}?page%5Bsize%5D=1`,
        related: `/api/groups/${group}/members`,
        first: `${url}?page%5Bsize%5D=1&page%5Bnumber%5D=1`,
        next: `${url}?page%5Bsize%5D=1&page%5Bnumber%5D=2`,
        last: `${url}?page%5Bsize%5D=1&page%5Bnumber%5D=2`,
      },
      meta: { total: 2, page: 1, per_page: 1, pages: 2 },
    })
    expect((await api.call('GET', `${url}?sort=role`)).status).toBe(400)
    expect((await api.call('GET', '/api/groups/grp_none/relationships/members')).status).toBe(404)
    expect((await api.call('GET', `/api/groups/${group}/relationships/keys`)).status).toBe(404)
  })

  test('are included with their linkage, one or two steps away, and of many groups at once', async () => {
    await add('usr_bob')
    const list = await api.call('GET', '/api/groups?include=members.user,owner&page[size]=2')
    expect(list.document.data.map(({ id }: { id: string }) => id)).toEqual([other, group])
    const linked = list.document.data.flatMap((one: GroupObject) => one.relationships.members.data)
    const included: { type: string; id: string }[] = list.document.included
    expect(included.filter(({ type }) => type === 'group_members').map(({ id }) => id)).toEqual(
      linked.map(({ id }: { id: string }) => id),
    )
    expect(included.filter(({ type }) => type === 'users')).toHaveLength(2)
    expect(linked).toHaveLength(3)

    const key = await api.create('api-keys', { group_id: group })
    const { document } = await api.call('GET', `/api/api-keys/${key.id}?include=group.members`)
    expect(document.included[0].relationships.members.data).toHaveLength(2)
    expect(document.included).toHaveLength(3)
    const bare = await api.call('GET', `/api/groups/${group}`)
    expect(bare.document.data.relationships.members).not.toHaveProperty('data')
  })

  test('are included up to a hundred, the newest; the linkage leads to the others', async () => {
    await api.database.pool.query(
      `INSERT INTO users (id, email, plan_id) SELECT 'usr_m' || n, 'm' || n || '@example.com', plan_id
         FROM generate_series(1, 120) n, (SELECT plan_id FROM users LIMIT 1) u`,
    )
    await api.database.pool.query(
      `INSERT INTO group_members (id, group_id, user_id, created_at)
         SELECT 'gmb_m' || n, $1, 'usr_m' || n, now() + make_interval(secs => n) FROM generate_series(1, 120) n`,
      [group],
    )
    const { document } = await api.call('GET', `/api/groups/${group}?include=members`)
    const { data, links } = document.data.relationships.members
    expect([data.length, document.included.length, data[0].id]).toEqual([100, 100, 'gmb_m120'])
    const rest = await api.call('GET', links.next)
    expect(rest.document.data).toHaveLength(21)
    expect(new Set([...data, ...rest.document.data].map(({ id }) => id)).size).toBe(121)

    // A thousand of all parents, so that a page of many parents stays bounded, too.
    const makeGroup = (n: number) => api.create('groups', { name: `many ${n}`, owner_id: 'usr_ada' })
    await Promise.all(Array.from({ length: 20 }, (_, n) => makeGroup(n)))
    const page = await api.call('GET', '/api/groups?include=members&page[size]=100')
    const groups: { id: string; relationships: { members: { data: unknown[]; links: { next: string } } } }[] =
      page.document.data
    const each = Math.floor(1000 / groups.length)
    const large = groups.find(({ id }) => id === group)?.relationships.members
    expect([groups.length > 20, large?.data.length]).toEqual([true, each])
    const second = await api.call('GET', large?.links.next ?? '')
    expect(second.document.data[0].id).toBe(`gmb_m${120 - each}`)
  })
})

describe('the linkage of members', () => {
  const linkage = (...ids: string[]) => ({ data: ids.map((id) => ({ type: 'group_members', id })) })
  const url = () => `/api/groups/${group}/relationships/members`

  test('takes what is in the group already, and nothing else', async () => {
    const { id } = await add('usr_bob')
    expect((await api.call('POST', url(), linkage(id, id))).status).toBe(204)
    expect(await idsAt(url())).toHaveLength(2)
    expect((await api.call('POST', url(), linkage())).status).toBe(204)
    const none = await api.call('POST', url(), linkage('gmb_none'))
    expect([none.status, sources(none)]).toEqual([404, [{ pointer: '/data' }]])
    const foreign = (await idsAt(`/api/groups/${other}/members`))[0] ?? ''
    const taken = await api.call('POST', url(), linkage(foreign))
    expect([taken.status, sources(taken)]).toEqual([409, [{ pointer: '/data' }]])
    expect(await idsAt(`/api/groups/${other}/members`)).toEqual([foreign])
  })

  test('loses who is removed; who is not in the group need not be removed', async () => {
    const [bob, cyd] = [await add('usr_bob'), await add('usr_cyd')]
    const foreign = (await idsAt(`/api/groups/${other}/members`))[0] ?? ''
    expect((await api.call('DELETE', url(), linkage(bob.id, 'gmb_none', foreign))).status).toBe(204)
    expect((await api.call('DELETE', url(), linkage(bob.id))).status).toBe(204)
    expect(await idsAt(url())).toEqual([cyd.id, expect.any(String)])
    expect(await idsAt(`/api/groups/${other}/members`)).toEqual([foreign])
  })

  test('is not replaced, and is refused in another shape', async () => {
    expect((await api.call('PATCH', url(), linkage())).status).toBe(403)
    for (const method of ['POST', 'DELETE'] as const) {
      for (const [body, status, pointer] of [
        [{ data: null }, 400, '/data'],
        [{ data: { type: 'group_members', id: 'gmb_1' } }, 400, '/data'],
        [{ data: [null] }, 400, '/data/0'],
        [{ data: [{ type: 'users', id: 'usr_ada' }] }, 422, '/data/0/type'],
        [{ user_id: 'usr_ada' }, 400, ''],
        [{ data: Array.from({ length: 1001 }, () => ({ type: 'group_members', id: 'gmb_1' })) }, 400, '/data'],
      ] as const) {
        const answer = await api.call(method, url(), body)
        expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
      }
      const missing = await api.call(method, '/api/groups/grp_none/relationships/members', linkage())
      expect(missing.status).toBe(404)
    }
  })
})
