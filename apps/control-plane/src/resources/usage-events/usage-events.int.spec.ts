import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../api.fixture.ts'

const total = 25
const start = Date.UTC(2026, 10, 30, 23, 59, 50)

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('users', { id: 'usr_a', email: 'a@example.com' })
  await api.create('api-keys', { id: 'key_a', user_id: 'usr_a' })
  const data = Array.from({ length: total }, (_, index) => ({
    id: `evt_w1_1790000000000_${index + 1}`,
    // Five events share each moment, and they lie in two months.
    createdAt: new Date(start + Math.floor(index / 5) * 5_000),
    userId: index % 2 === 0 ? 'usr_a' : 'usr_gone',
    ...{ apiKeyId: index === 7 ? 'key_gone' : 'key_a', routeId: 'rte_gone', groupId: index === 3 ? 'grp_1' : null },
    ...{ method: index % 5 === 0 ? 'POST' : 'GET', path: `/x/${index}`, statusCode: index % 3 === 0 ? 429 : 200 },
    ...{ latencyMs: index, requestBytes: 5_000_000_000n, responseBytes: 1n, meteredUnits: 1n },
    ...{ requestId: 'r', configRevision: 1n },
  }))
  await api.database.pool.query(`SELECT apigate_ensure_usage_partitions($1, 2)`, [new Date(start)])
  await api.database.prisma.usageEvent.createMany({ data })
  await api.database.pool.query(`INSERT INTO usage_daily
    SELECT (created_at AT TIME ZONE 'UTC')::date, coalesce(user_id, ''), coalesce(group_id, ''), api_key_id, route_id, 2, 1, 1, 1, 1
    FROM usage_events GROUP BY 1, 2, 3, 4, 5`)
})
afterAll(() => api?.stop())

const ids = (document: { data: { id: string }[] }): string[] => document.data.map(({ id }) => id)
const newestFirst = (a: string, b: string): number => Number(b.split('_').at(-1)) - Number(a.split('_').at(-1))

describe('pages by number', () => {
  test('count and order all events', async () => {
    const { document } = await api.call('GET', '/api/usage-events?page[size]=10&page[number]=3&sort=-created_at')
    expect(document.meta).toEqual({ total, page: 3, per_page: 10, pages: 3 })
    expect(document.data).toHaveLength(5)
    expect(document.data[0].attributes).toMatchObject({ request_bytes: 5_000_000_000, metered_units: 1 })
  })

  test.each([
    ['filter[user]=usr_a', 13],
    ['filter[user_id]=usr_a', 13],
    ['filter[api_key]=key_a', total - 1],
    ['filter[api_key]=key_gone', 1],
    ['filter[api_key]=key_gone,key_a,key_none', total],
    ['filter[api_key]=key_none', 0],
    ['filter[api_key]=null', 0],
    ['filter[api_key]=key_gone&filter[user]=usr_a', 0],
    ['filter[api_key][ne]=key_gone', total - 1],
    ['filter[group]=grp_1', 1],
    ['filter[group_id][ne]=grp_1', total - 1],
    ['filter[route]=rte_none', 0],
    ['filter[method]=POST', 5],
    ['filter[status_code]=429,500', 9],
    ['filter[status_code][gte]=400', 9],
    ['filter[path][like]=/X/2', 6],
    ['filter[created_at][gte]=2026-12-01T00:00:00Z', 15],
    ['filter[created_at][gte]=2026-11-30T23:59:55Z&filter[created_at][lt]=2026-12-01', 5],
  ])('%s finds %i', async (filter, count) => {
    const { status, document } = await api.call('GET', `/api/usage-events?${filter}`)
    expect([status, document.meta?.total]).toEqual([200, count])
  })
})

test('a key that has used nothing is not looked for among the events', async () => {
  const client = await api.database.pool.connect()
  await client.query('BEGIN')
  const { rows } = await client.query<{ name: string }>(`SELECT inhrelid::regclass::text AS name FROM pg_inherits
    WHERE inhparent = 'usage_events'::regclass AND inhrelid <> 'usage_events_default'::regclass`)
  await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`)
  let isAnswered = false
  const listed = api.call('GET', '/api/usage-events?filter[api_key]=key_none').finally(() => (isAnswered = true))
  const isWaiting = async (): Promise<boolean> => {
    const { rowCount } = await client.query(`SELECT FROM pg_locks WHERE NOT granted AND relation IN
      (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage_events'::regclass)`)
    return rowCount! > 0
  }
  await waitFor(async () => isAnswered || (await isWaiting()))
  const isFree = isAnswered
  await client.query('ROLLBACK')
  client.release()
  expect([isFree, (await listed).document.meta.total]).toEqual([true, 0])
})

describe('pages by cursor', () => {
  test('walk over every event once, forth and back, without counting', async () => {
    const walk = async (from: string, direction: 'next' | 'prev'): Promise<string[][]> => {
      const pages: string[][] = []
      for (let url: string | null = from; url !== null;) {
        const { status, document } = await api.call('GET', url)
        expect(status).toBe(200)
        expect(document.meta).toEqual({ per_page: 7 })
        pages.push(ids(document))
        url = document.links[direction]
      }
      return pages
    }
    const forth = await walk('/api/usage-events?page[after]=&page[size]=7', 'next')
    expect(forth.map((page) => page.length)).toEqual([7, 7, 7, 4])
    const byNumber = await api.call('GET', '/api/usage-events?page[size]=100')
    expect(forth.flat()).toEqual(ids(byNumber.document))
    expect(forth.flat().toSorted(newestFirst)[0]).toBe(`evt_w1_1790000000000_${total}`)
    const back = await walk('/api/usage-events?page[before]=&page[size]=7', 'prev')
    expect(back.toReversed().flat()).toEqual(forth.flat())
  })

  test('start at any event and keep the filter', async () => {
    const all = await api.call('GET', '/api/usage-events?filter[user]=usr_a&page[after]=&page[size]=100')
    const { cursor } = all.document.data[4].meta.page
    const { document } = await api.call(
      'GET',
      `/api/usage-events?filter[user]=usr_a&page[after]=${cursor}&page[size]=3`,
    )
    expect(ids(document)).toEqual(ids(all.document).slice(5, 8))
    expect(document.links.next).toContain('filter%5Buser%5D=usr_a')
    expect(document.links.prev).toContain('page%5Bbefore%5D=')
  })

  test.each(['page[after]=x', 'page[after]=&page[before]=', 'page[after]=&page[number]=2', 'page[after]=&sort=method'])(
    '%s is refused',
    async (query) => {
      const { status, document } = await api.call('GET', `/api/usage-events?${query}`)
      expect([status, document.errors[0].source.parameter]).toEqual([400, expect.any(String)])
    },
  )
})

test('an event stays when what it names is gone', async () => {
  const { document } = await api.call('GET', `/api/usage-events/evt_w1_1790000000000_2?include=user,api_key.user`)
  expect(document.data.relationships.user.data).toEqual({ type: 'users', id: 'usr_gone' })
  expect(document.included.map(({ type, id }: { type: string; id: string }) => `${type} ${id}`)).toEqual([
    'api_keys key_a',
    'users usr_a',
  ])
  const related = await api.call('GET', document.data.relationships.user.links.related)
  expect([related.status, related.document.data]).toEqual([200, null])
  const here = await api.call('GET', document.data.relationships.api_key.links.related)
  expect(here.document.data).toMatchObject({ type: 'api_keys', id: 'key_a' })
})

test('the ledger is read-only', async () => {
  for (const method of ['POST', 'PATCH', 'DELETE', 'PUT'] as const) {
    expect((await api.call(method, '/api/usage-events')).headers['allow']).toBe('GET, HEAD')
    expect((await api.call(method, '/api/usage-events/evt_w1_1790000000000_2')).status).toBe(405)
  }
})
