import { afterAll, beforeAll, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({ APIGATE_UPSTREAM_ALLOW: 'public, 10.20.0.0/16' })
})
afterAll(() => api?.stop())

const attributes = (changes: object): object => ({ name: 'u', base_url: 'http://10.20.1.1:9000', ...changes })

test('an upstream within is taken, and one whose name is not there yet', async () => {
  for (const base_url of ['http://10.20.1.1', 'https://1.1.1.1/a', 'http://later.invalid/']) {
    expect((await api.call('POST', '/api/upstreams', attributes({ base_url }))).status).toBe(201)
  }
})

test.each([
  'http://127.0.0.1:8080',
  'http://localhost/',
  'http://169.254.169.254/',
  'http://10.21.0.1',
  'http://0x7f.1/',
])('%s is refused, as base_url, as target, and in an update', async (url) => {
  const { id } = await api.create('upstreams', attributes({}))
  for (const [changes, name] of [
    [{ base_url: url }, 'base_url'],
    [{ targets: [{ url: 'http://1.1.1.1' }, { url: new URL(url).origin }] }, 'targets'],
  ] as const) {
    for (const answer of [
      await api.call('POST', '/api/upstreams', attributes(changes)),
      await api.call('PATCH', `/api/upstreams/${id}`, changes),
    ]) {
      expect([answer.status, sources(answer)]).toEqual([
        422,
        [{ pointer: expect.stringMatching(new RegExp(`${name}$`)) }],
      ])
      expect(answer.document.errors[0].detail).toContain('is not where upstreams may be')
    }
  }
})
