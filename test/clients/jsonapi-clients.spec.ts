import type { IncomingMessage } from 'node:http'
import { JSONAPISerializers, JSONAPISource } from '@orbit/jsonapi'
import { RecordSchema } from '@orbit/records'
import { buildSerializerSettingsFor } from '@orbit/serializers'
// @ts-expect-error: it comes without types
import JsonApi from 'devour-client'
import Kitsu from 'kitsu'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../apps/control-plane/src/api.fixture.ts'

let api: TestApi
let url: string
/** What was sent, as `method url content-type`. */
let sent: string[]
beforeAll(async () => {
  api = await startTestApi()
  await api.app.listen(0, '127.0.0.1')
  url = `${await api.app.getUrl()}/api`
  api.app.getHttpServer().on('request', ({ method, url: target, headers }: IncomingMessage) => {
    sent.push(`${method} ${decodeURIComponent(target ?? '')} ${headers['content-type'] ?? '-'}`)
  })
  for (const id of ['plan_basic', 'plan_pro']) await api.create('plans', { id, name: id })
})
beforeEach(() => {
  sent = []
})
afterAll(() => api?.stop())

const stored = (id: string) => api.database.prisma.user.findUnique({ where: { id } })
const mediaType = 'application/vnd.api+json'

describe('kitsu', () => {
  const client = (): Kitsu =>
    new Kitsu({
      ...{ baseURL: url, headers: { authorization: `Bearer ${api.adminKey}` }, query: 'modern' },
      ...{ camelCaseTypes: false, resourceCase: 'none', pluralize: false },
    })

  test('creates, reads, lists, updates, relates and deletes', async () => {
    const kitsu = client()
    const plan = { data: { type: 'plans', id: 'plan_basic' } }
    for (const n of [1, 2, 3]) {
      const id = `usr_kitsu${n}`
      const { data } = await kitsu.create('users', { id, email: `k${n}@kitsu.example`, plan })
      expect(data).toMatchObject({ id, status: 'active', plan_id: 'plan_basic' })
    }
    const read = await kitsu.get('users/usr_kitsu1', { params: { include: 'plan', fields: { plans: 'name' } } })
    expect(read.data).toMatchObject({
      email: 'k1@kitsu.example',
      plan: { data: { id: 'plan_basic', name: 'plan_basic' } },
    })
    expect(read.data.plan.data.created_at).toBeUndefined()

    const params = {
      filter: { email: { like: 'kitsu' }, plan: 'plan_basic' },
      page: { size: 2, number: 2 },
      sort: 'email',
    }
    const page = await kitsu.get('users', { params: { ...params, fields: { users: 'email' } } })
    expect(page.data.map(({ id, email, name }: any) => [id, email, name])).toEqual([
      ['usr_kitsu3', 'k3@kitsu.example', undefined],
    ])
    expect(page.meta).toEqual({ total: 3, page: 2, per_page: 2, pages: 2 })

    await kitsu.update('users', { id: 'usr_kitsu1', name: 'Kitsu' })
    expect(await stored('usr_kitsu1')).toMatchObject({ name: 'Kitsu', planId: 'plan_basic' })
    const body = { id: 'plan_pro', type: 'plans' }
    await kitsu.request({ method: 'PATCH', url: 'users/usr_kitsu1/relationships/plan', type: 'plans', body })
    expect(await stored('usr_kitsu1')).toMatchObject({ planId: 'plan_pro' })

    await kitsu.delete('users', 'usr_kitsu1')
    expect(await stored('usr_kitsu1')).toBeNull()
    await expect(kitsu.get('users/usr_kitsu1')).rejects.toMatchObject({ errors: [{ code: 'not_found' }] })
    // It names the resource in the body of a DELETE, too.
    expect(sent).toContain(`DELETE /api/users/usr_kitsu1 ${mediaType}`)
  })
})

describe('devour', () => {
  test('creates, reads, lists, updates, relates and deletes', async () => {
    const devour: any = new JsonApi({ apiUrl: url, bearer: api.adminKey, logger: false })
    // Models are looked up by both numbers, depending on the direction.
    devour.define('plan', { name: '' })
    devour.define('plans', { name: '' })
    devour.define('user', { email: '', name: '', status: '', plan: { jsonApi: 'hasOne', type: 'plans' } })
    for (const n of [1, 2, 3]) {
      const user = { id: `usr_devour${n}`, email: `d${n}@devour.example`, plan: { id: 'plan_basic' } }
      const { data } = await devour.create('user', user)
      expect(data).toMatchObject({ id: user.id, status: 'active' })
    }
    const { data: read } = await devour.find('user', 'usr_devour1', { include: 'plan', fields: { plans: 'name' } })
    expect(read).toMatchObject({ email: 'd1@devour.example', plan: { id: 'plan_basic', name: 'plan_basic' } })

    const filter = { email: { like: 'devour' }, plan: 'plan_basic' }
    const page = await devour.findAll('user', { filter, page: { size: 2, number: 2 }, sort: 'email' })
    expect(page.data.map(({ id }: any) => id)).toEqual(['usr_devour3'])
    expect(page.meta).toMatchObject({ total: 3, pages: 2 })

    await devour.update('user', { id: 'usr_devour1', name: 'Devour' })
    expect(await stored('usr_devour1')).toMatchObject({ name: 'Devour', planId: 'plan_basic' })
    await devour.one('user', 'usr_devour1').relationships('plan').patch({ id: 'plan_pro', type: 'plans' })
    expect(await stored('usr_devour1')).toMatchObject({ planId: 'plan_pro' })
    const related = await devour.request(`${url}/users/usr_devour1/plan`, 'GET', {}, {})
    expect(related.data).toMatchObject({ id: 'plan_pro', name: 'plan_pro' })

    await devour.destroy('user', 'usr_devour1')
    expect(await stored('usr_devour1')).toBeNull()
    await expect(devour.find('user', 'usr_devour1')).rejects.toBeDefined()
  })
})

describe('orbit', () => {
  test('creates, reads, lists, updates, relates and deletes', async () => {
    const schema = new RecordSchema({
      models: {
        plans: { attributes: { name: { type: 'string' } } },
        users: {
          attributes: { email: { type: 'string' }, name: { type: 'string' }, created_at: { type: 'datetime' } },
          relationships: { plan: { kind: 'hasOne', type: 'plans' } },
        },
      },
    })
    const plain = { serializationOptions: { inflectors: [] } }
    const source = new JSONAPISource({
      schema,
      host: url,
      serializerSettingsFor: buildSerializerSettingsFor({
        settingsByType: Object.fromEntries(
          [
            JSONAPISerializers.ResourceType,
            JSONAPISerializers.ResourceTypePath,
            JSONAPISerializers.ResourceField,
            JSONAPISerializers.ResourceFieldParam,
            JSONAPISerializers.ResourceFieldPath,
          ].map((name) => [name, plain]),
        ),
      }),
      defaultFetchSettings: { headers: { Authorization: `Bearer ${api.adminKey}` } },
    })
    const user = (n: number) => ({ type: 'users', id: `usr_orbit${n}` })
    for (const n of [1, 2, 3]) {
      await source.update((t) =>
        t.addRecord({
          ...user(n),
          attributes: { email: `o${n}@orbit.example`, name: 'orbit' },
          relationships: { plan: { data: { type: 'plans', id: 'plan_basic' } } },
        }),
      )
    }
    const read: any = await source.query((q) => q.findRecord(user(1)), {
      ...{ fullResponse: true, include: ['plan'], fields: { users: ['email', 'plan', 'created_at'] } },
    })
    expect(read.data).toMatchObject({ attributes: { email: 'o1@orbit.example' } })
    expect(read.data.attributes.created_at).toBeInstanceOf(Date)
    expect(read.details[0].document.included).toMatchObject([{ type: 'plans', id: 'plan_basic' }])

    const filters = [
      { attribute: 'name', value: 'orbit' },
      { relation: 'plan', record: { type: 'plans', id: 'plan_basic' } },
    ]
    // Its builder knows offset and limit only; what it does not know it hands on.
    const options: any = { page: { number: 2, size: 2 } }
    const page: any = await source.query(
      (q) =>
        q
          .findRecords('users')
          .filter(filters[0] as any, filters[1] as any)
          .sort('-email'),
      options,
    )
    expect(page.map(({ id }: any) => id)).toEqual(['usr_orbit1'])

    await source.update((t) => t.updateRecord({ ...user(1), attributes: { name: 'Orbit' } }))
    expect(await stored('usr_orbit1')).toMatchObject({ name: 'Orbit', planId: 'plan_basic' })
    await source.update((t) => t.replaceRelatedRecord(user(1), 'plan', { type: 'plans', id: 'plan_pro' }))
    expect(await stored('usr_orbit1')).toMatchObject({ planId: 'plan_pro' })
    expect(await source.query((q) => q.findRelatedRecord(user(1), 'plan'))).toMatchObject({ id: 'plan_pro' })

    await source.update((t) => t.removeRecord(user(1)))
    expect(await stored('usr_orbit1')).toBeNull()
  })
})
