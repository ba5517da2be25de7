import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebhookConnections } from './webhook.connections.ts'
import { WebhookSender, type Answer } from './webhook.sender.ts'

const server = createServer()
const sockets = new Set<unknown>()
beforeAll(async () => {
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => void server.close())

test('a receiver that takes its time keeps its connection while many others are sent to', async () => {
  const connections = new WebhookConnections(4, 2)
  const { port } = server.address() as AddressInfo
  const post = (webhookId: string): Promise<Answer> =>
    new WebhookSender(10_000).post(
      { url: `http://127.0.0.1:${port}/`, headers: {}, body: '{}' },
      { addresses: Promise.resolve([]), agent: connections.to(webhookId, 'http:') },
    )
  const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>
  const slow = post('whk_slow')
  const [, answer] = await asked
  server.on('request', (_request, other: ServerResponse) => void other.end())
  for (const id of ['whk_a', 'whk_b', 'whk_c']) expect(await post(id)).toMatchObject({ statusCode: 200 })
  answer.end('at last')
  expect(await slow).toMatchObject({ statusCode: 200, response: 'at last' })
  expect(sockets.size).toBe(4)
  connections.close()
})
