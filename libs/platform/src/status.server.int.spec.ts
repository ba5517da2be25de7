import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogger } from './logger.ts'
import { startStatusServer, type Readiness, type StatusServer } from './status.server.ts'

let server: StatusServer
let readiness: () => Readiness
const options = {
  host: '127.0.0.1',
  port: 0,
  readiness: () => readiness(),
  metrics: () => 'apigate_up 1\n',
  json: {
    '/status': () => Promise.resolve({ revision: 7 }),
    '/broken': () => {
      throw new Error('internal detail')
    },
  },
  log: createLogger({ name: 'test', level: 'silent' }),
}

beforeAll(async () => {
  server = await startStatusServer(options)
})
afterAll(() => server.close())

const get = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port}${path}`, init)

test('readiness follows the handler and shows each dependency', async () => {
  readiness = () => ({ ready: false, dependencies: { postgres: 'down' } })
  const away = await get('/readyz')
  expect([away.status, await away.json()]).toEqual([503, { status: 'not_ready', dependencies: { postgres: 'down' } }])

  readiness = () => ({ ready: true, dependencies: { postgres: 'up' } })
  expect((await get('/readyz')).status).toBe(200)

  readiness = () => {
    throw new Error('x')
  }
  expect((await get('/readyz')).status).toBe(503)
  expect(await (await get('/healthz')).json()).toEqual({ status: 'ok' })
})

test('metrics are text, further paths are JSON, the rest is an error document', async () => {
  const metrics = await get('/metrics')
  expect(metrics.headers.get('content-type')).toContain('text/plain')
  expect(await metrics.text()).toBe('apigate_up 1\n')
  expect(await (await get('/status?x=1')).json()).toEqual({ revision: 7 })

  const missing = await get('/constructor')
  expect([missing.status, await missing.json()]).toMatchObject([404, { errors: [{ code: 'not_found' }] }])
  const post = await get('/status', { method: 'POST' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  const broken = await get('/broken')
  expect(broken.status).toBe(500)
  expect(await broken.text()).not.toContain('internal detail')
})

test('a taken port is an error, and closing twice is harmless', async () => {
  await expect(startStatusServer({ ...options, port: server.port })).rejects.toThrow('EADDRINUSE')
  const second = await startStatusServer(options)
  await second.close()
  await second.close()
})
