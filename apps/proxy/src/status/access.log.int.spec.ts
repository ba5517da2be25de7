import { startFakeUpstream, waitFor } from '@apigate/testing'
import { expect, test } from 'vitest'
import { startTestTraffic } from '../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo } from '../../test/worker.fixture.ts'
import { AccessLog } from './access.log.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'

test('each exchange is a line that names request, trace, route, key and bytes, and holds no secret and no query', async () => {
  const upstream = await startFakeUpstream()
  const { items, key, userId } = aCustomer()
  const to = aRouteTo(upstream.url, { pathPattern: '/api/*' })
  const lines: string[] = []
  const accessLog = new AccessLog('w-1', { write: (line) => void lines.push(line) })
  const traffic = await startTestTraffic([...items, ...to.items], {}, { accessLog })
  const headers = {
    'x-api-key': key.clear,
    'x-request-id': 'mine',
    traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
  }
  const get = async (path: string, more: object = headers): Promise<void> => {
    await (await fetch(traffic.url + path, { headers: { ...more } })).text()
  }
  await get('/api/things?token=sesame', headers)
  await get(`/api/${key.clear}`)
  await get('/none', {})
  await waitFor(() => lines.length === 3)
  await Promise.all([traffic.stop(), upstream.close()])

  const [served, withKey, refused] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(served).toMatchObject({
    ...{ level: 'info', name: 'proxy', msg: 'access', worker: 'w-1', request_id: 'mine', trace_id: traceId },
    ...{ method: 'GET', path: '/api/things', route_id: to.route.id, status_code: 200, error_code: null },
    ...{ user_id: userId, group_id: null, api_key_id: key.config.id, client_ip: '127.0.0.1', request_bytes: 0 },
    latency_ms: expect.any(Number) as number,
    response_bytes: expect.any(Number) as number,
  })
  expect(Date.parse(String(served?.['time']))).not.toBeNaN()
  expect(withKey).toMatchObject({ path: '/api/ak_[redacted]' })
  expect(refused).toMatchObject({ status_code: 404, error_code: 'route_not_found', route_id: null, api_key_id: null })
  expect(refused).not.toHaveProperty('trace_id')
  expect(lines.join('')).not.toContain('sesame')
  expect(lines.join('')).not.toContain(key.clear)
})
