import net from 'node:net'
import type { ErrorObject } from '@apigate/errors'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from './api.fixture.ts'
import { mediaType } from './jsonapi/index.ts'

let api: TestApi
let port: number
beforeAll(async () => {
  api = await startTestApi()
  await api.app.listen(0, '127.0.0.1')
  port = (api.app.getHttpServer().address() as net.AddressInfo).port
})
afterAll(() => api?.stop())

const plan = { data: { type: 'plans', attributes: { name: 'x' } } }

describe('what comes in', () => {
  test.each([
    [`${mediaType}; charset=utf-8`, 415],
    [`${mediaType}; ext="https://jsonapi.org/ext/atomic"`, 415],
    [`${mediaType}; profile="https://example.com/p"`, 422],
    [`${mediaType};ext=""`, 422],
    ['Application/JSON; charset=UTF-8', 422],
    ['application/json; charset=latin1', 415],
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['nonsense', 415],
    [undefined, 415],
  ])('Content-Type %s is answered with %i', async (type, status) => {
    const answer = await api.call('POST', '/api/plans', '{}', { 'content-type': type })
    expect(answer.status).toBe(status)
    expect(sources(answer)).toEqual([status === 415 ? { header: 'Content-Type' } : { pointer: '' }])
  })

  test.each([
    [mediaType, 200],
    ['*/*', 200],
    ['application/json', 200],
    ['text/html', 200],
    [`${mediaType}; q=0.5`, 200],
    [`${mediaType}; profile="a b"`, 200],
    [`${mediaType}; charset=utf-8, ${mediaType}`, 200],
    [`${mediaType}; charset=utf-8`, 406],
    [`${mediaType}; ext="https://jsonapi.org/ext/atomic", ${mediaType}; version=1`, 406],
  ])('Accept %s is answered with %i', async (accept, status) => {
    const answer = await api.call('GET', '/api/plans', undefined, { accept })
    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject({ 'content-type': mediaType, vary: 'Accept' })
  })

  test('a Content-Type without a body does not matter', async () => {
    const { id } = await api.create('api-keys', { scopes: ['meter:write'] })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await api.call('POST', `/api/api-keys/${id}/revoke`, undefined, form)).status).toBe(200)
    expect((await api.call('DELETE', `/api/api-keys/${id}`, undefined, form)).status).toBe(204)
  })

  test('a compressed body is refused', async () => {
    expect((await api.call('POST', '/api/plans', plan, { 'content-encoding': 'gzip' })).status).toBe(415)
  })
})

describe('a body', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  test.each([
    ['{"name":', 400],
    ['', 400],
    ['null', 400],
    ['[]', 400],
    ['"x"', 400],
    ['7', 400],
    ['{"data":null}', 400],
    ['{"data":[]}', 400],
    ['{"data":{}}', 400],
    ['{"data":{"type":7}}', 400],
    ['{"data":{"type":"users"}}', 409],
    ['{"data":{"type":"plans","id":7}}', 400],
    ['{"data":{"type":"plans","id":"usr_x"}}', 422],
    ['{"data":{"type":"plans","attributes":[]}}', 400],
    ['{"data":{"type":"plans","relationships":{"users":{"data":[]}}}}', 422],
    ['{"data":{"type":"plans","relationships":[]}}', 400],
    ['{"__proto__":{"x":1}}', 400],
    ['{"constructor":{"prototype":{"x":1}},"toString":1,"hasOwnProperty":2}', 422],
    ['{"name":"a\\u0000b"}', 400],
    ['{"a\\u0000b":1}', 400],
    ['{"name":"\\ud800"}', 400],
    ['{"name":{"a":"\\udfff"}}', 400],
    ['{"name":1e999,"price_monthly":1e999}', 422],
    ['{"name":"x","price_monthly":9007199254740993}', 422],
    [`{"name":${nested(60)}}`, 422],
    [`{"name":${nested(100)}}`, 400],
    [`{"name":${nested(200_000)}}`, 400],
    [`{"name":"${'x'.repeat(1_100_000)}"}`, 413],
    ['{"attributes":{"name":"x"},"relationships":{}}', 422],
  ])('%s is answered with %i', async (body, status) => {
    const answer = await api.call('POST', '/api/plans', body)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe(mediaType)
    const pointers = answer.document.errors.flatMap((error: ErrorObject) =>
      error.source && 'pointer' in error.source ? [error.source.pointer] : [],
    )
    expect(pointers.filter((pointer: string) => !resolves(JSON.parse(body), pointer))).toEqual([])
  })

  test('that is not UTF-8 is refused', async () => {
    const body = Buffer.from([...Buffer.from('{"name":"'), 0xff, 0xfe, ...Buffer.from('"}')])
    expect((await api.call('POST', '/api/plans', body)).status).toBe(400)
  })

  test('of an update names the resource of the URL', async () => {
    const { id } = await api.create('plans', { name: 'named' })
    const update = (data: object) => api.call('PATCH', `/api/plans/${id}`, { data: { type: 'plans', ...data } })
    expect((await update({})).status).toBe(400)
    const other = await update({ id: 'plan_other' })
    expect([other.status, sources(other)]).toEqual([409, [{ pointer: '/data/id' }]])
    expect((await update({ id })).status).toBe(200)
    expect((await api.call('PATCH', `/api/plans/${id}`, { id: 'plan_other' })).status).toBe(409)
    expect((await api.call('PATCH', `/api/plans/${id}`)).status).toBe(400)
  })
})

/** Whether a JSON pointer (RFC 6901) leads to a value. */
function resolves(body: unknown, pointer: string): boolean {
  let value = body
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false
    value = (value as Record<string, unknown>)[name]
  }
  return true
}

describe('a path or query', () => {
  test.each([
    ['/', 404],
    ['/api', 404],
    ['/api/nope', 404],
    ['/api/plans/', 404],
    ['/api/plans/plan_none', 404],
    ['/api/plans/usr_x', 404],
    ['/api/plans/%00', 404],
    ['/api/plans/plan_%00', 404],
    ["/api/plans/plan_x'--", 404],
    [`/api/plans/plan_${'x'.repeat(400)}`, 404],
    [`/api/plans/plan_${'x'.repeat(4000)}`, 414],
    ['/api/plans/%zz', 400],
    ['/api/plans/..%2f..%2fetc', 404],
    ['/api/plans?filter[name]=%00', 400],
    ['/api/plans?filter[name]=%ff', 200],
    ['/api/plans?page[number]=99999999999999999999', 200],
    ['/api/plans?page[number]=9007199254740991', 200],
    ['/api/plans?filter[price_monthly]=99999999999', 400],
    ['/api/plans?filter[requests_per_month]=9007199254740991', 200],
    ['/api/plans?sort=__proto__', 400],
    ['/api/plans?filter[constructor]=1', 400],
    ['/api/plans?fields[toString]=1', 400],
    ['/api/plans?include=constructor', 400],
    ['/api/plans?filter[name][like]=%25_%5C', 200],
  ])('%s is answered with %i', async (url, status) => {
    const answer = await api.call('GET', url)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe(mediaType)
  })

  test('a wrong method is told the right ones', async () => {
    const answer = await api.call('PUT', '/api/plans/plan_x', plan)
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'DELETE, GET, HEAD, PATCH'])
    expect((await api.call('DELETE', '/api/plans')).headers['allow']).toBe('GET, HEAD, POST')
    expect((await api.call('OPTIONS', '/api/plans')).status).toBe(405)
  })

  test('HEAD answers as GET does, without the body', async () => {
    const { status, headers, document } = await api.call('HEAD', '/api/plans')
    expect([status, document]).toEqual([200, null])
    expect(Number(headers['content-length'])).toBeGreaterThan(100)
  })

  test('LIKE takes its wildcards for letters', async () => {
    await api.create('plans', { name: '100 % _sure\\' })
    const found = async (like: string) =>
      (await api.call('GET', `/api/plans?filter[name][like]=${encodeURIComponent(like)}`)).document.meta.total
    expect(await found('% _SURE\\')).toBe(1)
    expect(await found('1%e')).toBe(0)
    expect(await found('_')).toBe(1)
  })
})

describe('the id of a request', () => {
  test('is kept when it is fit to be kept, else made', async () => {
    const idOf = async (sent?: string) =>
      (await api.call('GET', '/api/nope', undefined, { 'x-request-id': sent })).headers['x-request-id']
    expect(await idOf('abc-1')).toBe('abc-1')
    expect(await idOf()).toMatch(/^[0-9a-f-]{36}$/)
    expect(await idOf('a b')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await idOf('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('what Node refuses before there is a request', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['GET /api/plans HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['GET /nope HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['POST /api/plans HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 2\r\n\r\n{}', 417],
  ])('%j is answered with an errors document and %i', async (request, status) => {
    const text = await exchange(request)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(text.toLowerCase()).toContain(`\r\ncontent-type: ${mediaType}\r\n`)
    expect(JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)).errors[0].status).toBe(String(status))
  })
})

function exchange(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(request))
    let text = ''
    socket.on('data', (chunk) => (text += chunk))
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
  })
}

test('a line that is logged while a request with a body is worked on names the request and its trace', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const answer = await fetch(`http://127.0.0.1:${port}/auth/login`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-request-id': 'logged',
      traceparent: `00-${traceId}-00f067aa0ba902b7-00`,
    },
    body: JSON.stringify({ email: 'nobody@example.com', password: 'a wrong password' }),
  })
  expect(answer.status).toBe(401)
  const lines = api.log.map((line) => JSON.parse(line) as Record<string, unknown>)
  const refused = lines.find(({ msg }) => msg === 'sign-in refused')
  expect(refused).toMatchObject({ request_id: 'logged', trace_id: traceId })
})
