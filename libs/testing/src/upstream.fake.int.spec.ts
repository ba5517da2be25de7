import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startFakeUpstream, type FakeUpstream } from './upstream.fake.ts'

let upstream: FakeUpstream
beforeAll(async () => {
  upstream = await startFakeUpstream()
})
afterAll(() => upstream.close())

test('records requests and answers as told', async () => {
  expect(await (await fetch(`${upstream.url}/a?b=c`)).json()).toEqual({ ok: true })
  upstream.answer({ status: 201, headers: { 'x-it': 'yes' }, body: 'made' })
  const answer = await fetch(upstream.url, { method: 'POST', body: 'sent' })
  expect([answer.status, answer.headers.get('x-it'), await answer.text()]).toEqual([201, 'yes', 'made'])
  upstream.answer((request, response) => response.end(request.body.toString().toUpperCase()))
  expect(await (await fetch(upstream.url, { method: 'PUT', body: 'loud' })).text()).toBe('LOUD')
  expect(upstream.requests.map(({ method, url, body }) => [method, url, body.toString()])).toEqual([
    ['GET', '/a?b=c', ''],
    ['POST', '/', 'sent'],
    ['PUT', '/', 'loud'],
  ])
})

test('echoes WebSocket messages as text or binary as they came', async () => {
  const socket = new WebSocket(`${upstream.url.replace('http', 'ws')}/ws`)
  await once(socket, 'open')
  socket.send('text')
  expect(await once(socket, 'message')).toEqual([Buffer.from('text'), false])
  socket.send(Buffer.from([1, 2]))
  expect(await once(socket, 'message')).toEqual([Buffer.from([1, 2]), true])
  socket.close()
  expect(upstream.requests.at(-1)?.url).toBe('/ws')
})
