import net from 'node:net'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type ApiAnswer, type TestApi } from './api.fixture.ts'
import { hostileRequests } from './hostile.fixture.ts'
import { mediaType } from './jsonapi/index.ts'
import { EndpointList } from './openapi/index.ts'

const seed = 20_261_122
const runs = 10_000

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({ LOG_LEVEL: 'silent' })
  await api.app.listen(0, '127.0.0.1')
  await api.create('plans', { id: 'plan_h', name: 'h' })
  await api.create('users', { id: 'usr_h', email: 'h@example.com' })
  await api.create('api-keys', { id: 'key_h', user_id: 'usr_h' })
  await api.create('upstreams', { id: 'ups_h', name: 'h', base_url: 'http://127.0.0.1:9' })
  await api.create('webhooks', { id: 'whk_h', name: 'h', url: 'https://example.com/h', events: ['*'] })
  await api.create('routes', { id: 'rte_h', name: 'h', path_pattern: '/h', upstream_id: 'ups_h' })
})
afterAll(() => api?.stop())

/** A legitimate answer, for a body that happens to be valid, or one that says what is wrong. */
function isFit({ status, headers, document }: ApiAnswer, url: string): boolean {
  if (status >= 200 && status < 300) return true
  // A worker is asked, and there is none.
  if (status === 503 && url.endsWith('/explain')) return document.errors[0].detail === 'no worker is heard'
  return status >= 400 && status < 500 && document.errors.length > 0 && headers['content-type'] === mediaType
}

test(`${runs} hostile requests (seed ${seed}) are answered, and who is refused has written nothing`, async () => {
  const { pool } = api.database
  const auditRows = async (like: string): Promise<{ request_id: string }[]> =>
    (await pool.query("SELECT request_id FROM audit_events WHERE coalesce(request_id, '') LIKE $1", [like])).rows
  const before = (await auditRows('%')).length
  const granted = new Set<string>()
  const problems: unknown[] = []
  for (const [n, request] of fc
    .sample(hostileRequests(api.app.get(EndpointList).all()), { seed, numRuns: runs })
    .entries()) {
    const { method, url, body, headers } = request
    const id = `hostile-${n}`
    const answer = await api.call(method, url, body, { ...headers, 'x-request-id': id })
    if (answer.status < 300) granted.add(id)
    if (!isFit(answer, url)) problems.push([method, url, String(body).slice(0, 500), answer.status, answer.document])
  }
  expect(problems).toEqual([])
  const written = await auditRows('hostile-%')
  expect(written.filter((row) => !granted.has(row.request_id))).toEqual([])
  expect((await auditRows('%')).length).toBe(before + written.length)
  expect(granted.size).toBeGreaterThan(runs / 100)
}, 300_000)

const head = (...lines: string[]): string =>
  [`POST /api/plans HTTP/1.1`, 'Host: x', `X-API-Key: ${api.adminKey}`, ...lines, '', ''].join('\r\n')
const json = 'Content-Type: application/json'
const deep = '['.repeat(100_000) + ']'.repeat(100_000)

test.each([
  ['a body of 5 MB', () => `${head(json, 'Content-Length: 5000000')}${'x'.repeat(5_000_000)}`, 413],
  [
    'chunks of 5 MB',
    () => `${head(json, 'Transfer-Encoding: chunked')}4C4B40\r\n${'x'.repeat(5_000_000)}\r\n0\r\n\r\n`,
    413,
  ],
  ['100,000 levels', () => `${head(json, `Content-Length: ${deep.length}`)}${deep}`, 400],
  ['a chunk without a size', () => `${head(json, 'Transfer-Encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`, 400],
  ['two lengths', () => `${head(json, 'Content-Length: 2', 'Content-Length: 3')}{}`, 400],
  ['a length and chunks', () => `${head(json, 'Content-Length: 2', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 400],
  ['bytes that are no HTTP', () => '\u0016\u0003\u0001\u0002\r\n\r\n', 400],
  ['a body that breaks off', () => `${head(json, 'Content-Length: 100')}{"name":`, 400],
])('over a socket, %s is refused with an errors document', async (_, request, status) => {
  const answer = await exchange(request())
  const [top = '', body = ''] = answer.split('\r\n\r\n')
  expect(Number(top.split(' ')[1])).toBe(status)
  expect(JSON.parse(body).errors).toHaveLength(1)
  expect((await api.call('GET', '/api/plans?filter[id]=plan_h')).status).toBe(200)
})

/** What comes back until the server ends the connection, or has answered and the client hangs up. */
function exchange(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port } = api.app.getHttpServer().address() as net.AddressInfo
    const socket = net.connect(port, '127.0.0.1', () => socket.end(Buffer.from(request, 'latin1')))
    let text = ''
    socket.on('data', (chunk) => (text += chunk))
    socket.on('close', () => resolve(text))
    // A server that has answered need not read the rest.
    socket.on('error', (error: NodeJS.ErrnoException) =>
      /ECONNRESET|EPIPE/.test(error.code ?? '') ? resolve(text) : reject(error),
    )
  })
}
