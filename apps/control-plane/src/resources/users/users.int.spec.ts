import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_pro', name: 'Pro', trial_days: 14 })
  await api.create('plans', { id: 'plan_gone', name: 'Disabled', enabled: false })
})
afterAll(() => api?.stop())

describe('a user', () => {
  test('goes to the default plan unless one is named, as attribute or as relationship', async () => {
    const plain = await api.create('users', { email: 'plain@example.com' })
    expect(plain.id).toMatch(/^usr_[0-9a-z]{26}$/)
    expect(plain.attributes).toMatchObject({ status: 'active', name: '', trial_ends_at: null })
    const { document } = await api.call('GET', `/api/users/${plain.id}/plan`)
    expect(document.data).toMatchObject({ type: 'plans', attributes: { is_default: true } })

    const named = await api.create('users', { email: 'named@example.com', plan_id: 'plan_pro' })
    expect(named.attributes.plan_id).toBe('plan_pro')
    expect(Date.parse(named.attributes.trial_ends_at)).toBeGreaterThan(Date.now() + 13 * 86_400_000)

    const linked = await api.call('POST', '/api/users', {
      data: {
        type: 'users',
        attributes: { email: 'linked@example.com' },
        relationships: { plan: { data: { type: 'plans', id: 'plan_pro' } } },
      },
    })
    expect(linked.document.data.relationships.plan.data).toEqual({ type: 'plans', id: 'plan_pro' })
  })

  test('has an address of its own, whatever its case', async () => {
    const { id } = await api.create('users', { email: 'Case@Example.com' })
    const answer = await api.call('POST', '/api/users', {
      data: { type: 'users', attributes: { email: 'cASE@example.COM' } },
    })
    expect([answer.status, sources(answer)]).toEqual([409, [{ pointer: '/data/attributes/email' }]])
    expect((await api.call('PATCH', `/api/users/${id}`, { email: 'case@example.com' })).status).toBe(200)
  })

  test.each(['', 'x', 'a b@example.com', 'a@', '@b.com', `${'a'.repeat(250)}@b.com`, 7, null, ['a@b.com']])(
    'is refused with the address %j',
    async (email) => {
      const answer = await api.call('POST', '/api/users', { email })
      expect(answer.status).toBe(422)
      expect(sources(answer)).toContainEqual({ pointer: '/email' })
    },
  )

  test('is refused with a plan that is not there or disabled, and says where', async () => {
    const missing = await api.call('POST', '/api/users', { email: 'p@example.com', plan_id: 'plan_none' })
    expect([missing.status, sources(missing)]).toEqual([404, [{ pointer: '/plan_id' }]])
    const relationships = { plan: { data: { type: 'plans', id: 'plan_gone' } } }
    const disabled = await api.call('POST', '/api/users', {
      data: { type: 'users', attributes: { email: 'p@example.com' }, relationships },
    })
    expect([disabled.status, sources(disabled)]).toEqual([422, [{ pointer: '/data/relationships/plan/data/id' }]])
  })

  test('keeps a plan that is disabled later, and is told to the workers with each change', async () => {
    await api.create('plans', { id: 'plan_later', name: 'Later' })
    const { id } = await api.create('users', { email: 'keeps@example.com', plan_id: 'plan_later' })
    await api.call('PATCH', '/api/plans/plan_later', { enabled: false })
    const { status, headers } = await api.call('PATCH', `/api/users/${id}`, {
      status: 'suspended',
      plan_id: 'plan_later',
    })
    expect(status).toBe(200)
    const revision = BigInt(String(headers['x-config-revision']))
    const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
    expect(change.items).toEqual([
      { kind: 'user', op: 'put', value: { id, status: 'suspended', planId: 'plan_later' } },
    ])
  })

  test('takes its keys along when it is deleted, but not while it owns a group', async () => {
    const { id } = await api.create('users', { email: 'leaves@example.com' })
    const key = await api.create('api-keys', { user_id: id })
    const { planId } = await api.database.prisma.user.findUniqueOrThrow({ where: { id } })
    const group = { id: 'grp_1', name: 'g', slug: 'g', ownerId: id, planId }
    await api.database.prisma.group.create({ data: group })
    expect((await api.call('DELETE', `/api/users/${id}`)).status).toBe(409)
    await api.database.prisma.group.delete({ where: { id: 'grp_1' } })

    const { status, headers } = await api.call('DELETE', `/api/users/${id}`)
    expect(status).toBe(204)
    const revision = BigInt(String(headers['x-config-revision']))
    const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
    expect(change.items).toEqual([
      { kind: 'key', op: 'delete', id: key.id },
      { kind: 'user', op: 'delete', id },
    ])
    expect((await api.call('GET', `/api/api-keys/${key.id}`)).status).toBe(404)
  })
})

describe('the relationship of a user to a plan', () => {
  test('answers at the links that it shows, and is changed there', async () => {
    const user = await api.create('users', { email: 'related@example.com' })
    const { links } = user.relationships.plan
    const linkage = await api.call('GET', links.self)
    expect(linkage.document).toMatchObject({ data: user.relationships.plan.data, links })
    const changed = await api.call('PATCH', links.self, { data: { type: 'plans', id: 'plan_pro' } })
    expect(changed.status).toBe(200)
    expect(changed.headers['x-config-revision']).toBeDefined()
    expect(changed.document.data).toEqual({ type: 'plans', id: 'plan_pro' })
    const related = await api.call('GET', `${links.related}?fields[plans]=name`)
    expect(related.document.data).toMatchObject({ id: 'plan_pro', attributes: { name: 'Pro' } })
  })

  test.each([
    [{ data: null }, 422, '/data'],
    [{ data: { type: 'plans', id: 'plan_none' } }, 404, '/data'],
    [{ data: { type: 'users', id: 'plan_pro' } }, 422, '/data/type'],
    [{ data: [] }, 400, '/data'],
    [{ plan_id: 'plan_pro' }, 400, ''],
  ])('is not changed to %j', async (body, status, pointer) => {
    const user = await api.create('users', {
      email: `${status}${pointer.length}${JSON.stringify(body).length}@example.com`,
    })
    const answer = await api.call('PATCH', user.relationships.plan.links.self, body)
    expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
  })

  test('under another name is not found', async () => {
    const { id } = await api.create('users', { email: 'unrelated@example.com' })
    for (const name of ['groups', 'constructor', '__proto__']) {
      expect((await api.call('GET', `/api/users/${id}/${name}`)).status).toBe(404)
      expect((await api.call('GET', `/api/users/${id}/relationships/${name}`)).status).toBe(404)
    }
    expect((await api.call('GET', '/api/users/usr_none/relationships/plan')).status).toBe(404)
  })
})

describe('an admin account', () => {
  const password = 'a good password'
  const patch = async (id: string, change: object): Promise<number> =>
    (await api.call('PATCH', `/api/users/${id}`, change)).status

  test('is a user with a role, whose password is never shown', async () => {
    expect((await api.create('users', { email: 'plain@example.org' })).attributes.role).toBe('customer')
    const admin = await api.create('users', { id: 'usr_shown', email: 'shown@example.org', role: 'admin', password })
    expect(admin.attributes).toMatchObject({ role: 'admin' })
    expect(JSON.stringify(admin)).not.toMatch(/password|argon2/)
    const listed = await api.call('GET', '/api/users?filter[role]=admin')
    expect(listed.document.data).toMatchObject([{ id: 'usr_shown' }])
    for (const query of ['filter[password]=x', 'sort=password_hash', 'fields[users]=password']) {
      expect((await api.call('GET', `/api/users?${query}`)).status).toBe(400)
    }
  })

  test.each([
    [{ role: 'admin', password: 'too short' }, '/password'],
    [{ role: 'admin', password: ' '.repeat(20) }, '/password'],
    [{ role: 'admin', password: 'x'.repeat(257) }, '/password'],
    [{ role: 'admin', password: 7 }, '/password'],
    [{ role: 'customer', password }, '/password'],
    [{ password }, '/password'],
    [{ role: 'root' }, '/role'],
    [{ role: 'admin', password_hash: 'x' }, '/password_hash'],
  ])('is not made of %j', async (attributes, pointer) => {
    const answer = await api.call('POST', '/api/users', { email: 'wrong@example.org', ...attributes })
    expect([answer.status, sources(answer)]).toEqual([422, [{ pointer }]])
  })

  test('loses its password with its role', async () => {
    await api.create('users', { id: 'usr_demoted', email: 'demoted@example.org', role: 'admin', password })
    expect(await patch('usr_demoted', { role: 'customer' })).toBe(200)
    expect(await patch('usr_demoted', { password })).toBe(422)
    expect(await patch('usr_demoted', { role: 'admin' })).toBe(200)
    const row = await api.database.prisma.user.findUniqueOrThrow({ where: { id: 'usr_demoted' } })
    expect(row.passwordHash).toBeNull()
  })

  test('cannot be the last to go, whichever way, also when two go at once', async () => {
    await api.create('users', { id: 'usr_last', email: 'last@example.org', role: 'admin', password })
    expect((await api.call('DELETE', '/api/users/usr_shown')).status).toBe(204)
    // Who has no password, or is suspended, cannot sign in.
    await api.create('users', { email: 'nopass@example.org', role: 'admin' })
    await api.create('users', { email: 'off@example.org', role: 'admin', password, status: 'suspended' })
    for (const change of [{ status: 'suspended' }, { role: 'customer' }, { password: null }]) {
      expect(await patch('usr_last', change)).toBe(409)
    }
    expect((await api.call('DELETE', '/api/users/usr_last')).status).toBe(409)
    expect(await patch('usr_last', { name: 'Last', password: 'another password' })).toBe(200)

    await api.create('users', { id: 'usr_second', email: 'second@example.org', role: 'admin', password })
    const both = await Promise.all([
      patch('usr_last', { status: 'suspended' }),
      patch('usr_second', { role: 'customer' }),
    ])
    expect(both.toSorted((a, b) => a - b)).toEqual([200, 409])
  })
})
