import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type ApiAnswer, type TestApi } from '../../api.fixture.ts'

interface MemberObject {
  attributes: { role: string }
  relationships: { user: { data: { id: string } } }
}

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_pro', name: 'Pro' })
  await api.create('plans', { id: 'plan_gone', name: 'Disabled', enabled: false })
  for (const name of ['ada', 'bob']) await api.create('users', { id: `usr_${name}`, email: `${name}@example.com` })
})
afterAll(() => api?.stop())

const create = (attributes: object) => api.create('groups', { name: 'Acme', owner_id: 'usr_ada', ...attributes })
const itemsOf = async ({ headers }: ApiAnswer): Promise<unknown> => {
  const revision = BigInt(String(headers['x-config-revision']))
  return (await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })).items
}

describe('a group', () => {
  test('has an owner, a plan and links that answer; its owner is its first member', async () => {
    const group = await create({ id: 'grp_acme', billing_email: 'bills@example.com' })
    expect(group.attributes).toMatchObject({
      ...{ name: 'Acme', slug: 'acme', description: '', billing_email: 'bills@example.com', status: 'active' },
    })
    expect(group.relationships.members).toEqual({
      links: { self: '/api/groups/grp_acme/relationships/members', related: '/api/groups/grp_acme/members' },
    })
    for (const [name, expected] of [
      ['owner', { type: 'users', id: 'usr_ada' }],
      ['plan', { type: 'plans', attributes: { is_default: true } }],
      ['members', [{ type: 'group_members', attributes: { role: 'owner' } }]],
    ] as const) {
      const { links } = group.relationships[name]
      expect((await api.call('GET', links.related)).document.data).toMatchObject(expected)
      const linkage = await api.call('GET', links.self)
      expect([linkage.status, linkage.document.links.related]).toEqual([200, links.related])
    }
    const answer = await api.call('PATCH', '/api/groups/grp_acme', { status: 'suspended', plan_id: 'plan_pro' })
    expect(await itemsOf(answer)).toEqual([
      { kind: 'group', op: 'put', value: { id: 'grp_acme', status: 'suspended', planId: 'plan_pro' } },
    ])
    const trail = await api.database.prisma.auditEvent.findMany({ where: { targetType: 'groups' } })
    expect(trail.map(({ action }) => action)).toEqual(['groups.create', 'groups.update'])
  })

  test('is made from a JSON:API document, with the plan that it names', async () => {
    const answer = await api.call('POST', '/api/groups', {
      data: {
        type: 'groups',
        attributes: { name: 'Linked', slug: 'linked-group' },
        relationships: {
          owner: { data: { type: 'users', id: 'usr_bob' } },
          plan: { data: { type: 'plans', id: 'plan_pro' } },
        },
      },
    })
    expect(answer.status).toBe(201)
    expect(answer.document.data).toMatchObject({ attributes: { slug: 'linked-group' } })
    expect(answer.document.data.relationships.plan.data.id).toBe('plan_pro')
  })

  test('gets a slug of its own from a name that others have', async () => {
    const slugs = []
    for (let round = 0; round < 3; round++) slugs.push((await create({ name: 'Éclair & Co' })).attributes.slug)
    expect(slugs).toEqual(['eclair-co', 'eclair-co-2', 'eclair-co-3'])
    expect((await create({ name: 'éclair co', slug: 'x-1' })).attributes.slug).toBe('x-1')
  })

  test.each([
    [{ name: 'x' }, 422, ''],
    [{ name: 'x', owner_id: 'usr_none' }, 404, '/owner_id'],
    [{ name: 'x', owner_id: 'usr_ada', plan_id: 'plan_none' }, 404, '/plan_id'],
    [{ name: 'x', owner_id: 'usr_ada', plan_id: 'plan_gone' }, 422, '/plan_id'],
    [{ name: 'x', owner_id: 'usr_ada', slug: 'Not A Slug' }, 422, '/slug'],
    [{ name: 'x', owner_id: 'usr_ada', slug: '' }, 422, '/slug'],
    [{ name: 'x', owner_id: 'usr_ada', slug: 'acme' }, 409, '/slug'],
    [{ name: 'x', owner_id: 'usr_ada', billing_email: 'nobody' }, 422, '/billing_email'],
    [{ name: 'x', owner_id: 'usr_ada', status: 'cancelled' }, 422, '/status'],
    [{ name: '', owner_id: 'usr_ada' }, 422, '/name'],
    [{ name: 'x', owner_id: 7 }, 422, '/owner_id'],
    [{ name: 'x', owner_id: 'usr_ada', id: 'group_1' }, 422, '/id'],
    [{ name: 'x', owner_id: 'usr_ada', id: 'grp_acme' }, 409, '/id'],
  ])('%j is refused', async (body, status, pointer) => {
    const answer = await api.call('POST', '/api/groups', body)
    expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
  })

  test('keeps a plan that is disabled later, and holds it against deletion', async () => {
    await api.create('plans', { id: 'plan_later', name: 'Later' })
    const { id } = await create({ plan_id: 'plan_later' })
    expect((await api.call('DELETE', '/api/plans/plan_later')).status).toBe(409)
    await api.call('PATCH', '/api/plans/plan_later', { enabled: false })
    expect((await api.call('PATCH', `/api/groups/${id}`, { plan_id: 'plan_later', name: 'y' })).status).toBe(200)
    const linkage = { data: { type: 'plans', id: 'plan_gone' } }
    expect((await api.call('PATCH', `/api/groups/${id}/relationships/plan`, linkage)).status).toBe(422)
  })

  test('takes its keys and members along when it is deleted', async () => {
    const { id } = await create({})
    const key = await api.create('api-keys', { group_id: id })
    const { document } = await api.call('GET', `/api/groups/${id}/members`)
    const answer = await api.call('DELETE', `/api/groups/${id}`)
    expect(answer.status).toBe(204)
    expect(await itemsOf(answer)).toEqual([
      { kind: 'key', op: 'delete', id: key.id },
      { kind: 'group', op: 'delete', id },
    ])
    for (const url of [`api-keys/${key.id}`, `group-members/${document.data[0].id}`, `groups/${id}/members`]) {
      expect((await api.call('GET', `/api/${url}`)).status).toBe(404)
    }
  })

  test('can be read with its members, edited and sent back whole, but not with other members', async () => {
    const { id } = await create({})
    const read = await api.call('GET', `/api/groups/${id}`)
    read.document.data.attributes.description = 'edited'
    expect((await api.call('PATCH', `/api/groups/${id}`, read.document)).status).toBe(200)
    for (const data of [[], [{ type: 'group_members', id: 'gmb_none' }], null]) {
      const body = { data: { type: 'groups', id, attributes: { name: 'z' }, relationships: { members: { data } } } }
      const answer = await api.call('PATCH', `/api/groups/${id}`, body)
      expect([answer.status, sources(answer)]).toEqual([403, [{ pointer: '/data/relationships/members' }]])
    }
    expect((await api.call('GET', `/api/groups/${id}`)).document.data.attributes.name).toBe('Acme')
  })
})

describe('the owner of a group', () => {
  const rolesOf = async (id: string): Promise<Record<string, string>> => {
    const { document } = await api.call('GET', `/api/groups/${id}/members`)
    return Object.fromEntries(
      document.data.map((member: MemberObject) => [member.relationships.user.data.id, member.attributes.role]),
    )
  }

  test('is the member with that role, whichever of the two is changed', async () => {
    const { id } = await create({})
    const owner = async () => (await api.call('GET', `/api/groups/${id}/relationships/owner`)).document.data.id
    await api.call('PATCH', `/api/groups/${id}`, { owner_id: 'usr_bob' })
    expect([await owner(), await rolesOf(id)]).toEqual(['usr_bob', { usr_ada: 'admin', usr_bob: 'owner' }])

    const linkage = { data: { type: 'users', id: 'usr_ada' } }
    const linked = await api.call('PATCH', `/api/groups/${id}/relationships/owner`, linkage)
    expect([linked.status, linked.document.data]).toEqual([200, linkage.data])
    expect([await owner(), await rolesOf(id)]).toEqual(['usr_ada', { usr_ada: 'owner', usr_bob: 'admin' }])

    const { document } = await api.call('GET', `/api/groups/${id}/members?filter[user]=usr_bob`)
    const promoted = await api.call('PATCH', `/api/group-members/${document.data[0].id}`, { role: 'owner' })
    expect(promoted.document.data.attributes.role).toBe('owner')
    expect([await owner(), await rolesOf(id)]).toEqual(['usr_bob', { usr_ada: 'admin', usr_bob: 'owner' }])
    const trail = await api.database.prisma.auditEvent.findMany({ where: { targetId: id, action: 'groups.update' } })
    expect(trail.map(({ before, after }) => [before, after])).toMatchObject([
      [{ owner_id: 'usr_ada' }, { owner_id: 'usr_bob' }],
      [{ owner_id: 'usr_bob' }, { owner_id: 'usr_ada' }],
      [{ owner_id: 'usr_ada' }, { owner_id: 'usr_bob' }],
    ])
  })

  test('can neither leave nor step down, nor be deleted, while nobody else is', async () => {
    await api.create('users', { id: 'usr_boss', email: 'boss@example.com' })
    const { id } = await create({ owner_id: 'usr_boss' })
    const [member] = (await api.call('GET', `/api/groups/${id}/members`)).document.data
    const refused = await api.call('PATCH', member.links.self, { role: 'member' })
    expect([refused.status, sources(refused)]).toEqual([409, [{ pointer: '/role' }]])
    expect((await api.call('DELETE', member.links.self)).status).toBe(409)
    const linkage = { data: [{ type: 'group_members', id: member.id }] }
    expect((await api.call('DELETE', `/api/groups/${id}/relationships/members`, linkage)).status).toBe(409)
    expect((await api.call('DELETE', '/api/users/usr_boss')).status).toBe(409)
    expect((await api.call('PATCH', `/api/groups/${id}/relationships/owner`, { data: null })).status).toBe(422)

    expect((await api.call('PATCH', `/api/groups/${id}`, { owner_id: 'usr_ada' })).status).toBe(200)
    expect((await api.call('DELETE', '/api/users/usr_boss')).status).toBe(204)
    expect(await rolesOf(id)).toEqual({ usr_ada: 'owner' })
  })
})
