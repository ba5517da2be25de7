import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { waitFor } from '@apigate/testing'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { startSystem } from './system.ts'

/** Records the ids of events that verify; answers each after a moment, so that some are always under way. */
async function startReceiver() {
  const types = new Map<string, string>()
  const signed = { by: '' }
  const server = createServer((request: IncomingMessage, response) => {
    const record = async (): Promise<void> => {
      const body = await text(request)
      new Webhook(signed.by).verify(body, request.headers as Record<string, string>)
      const { id, type } = JSON.parse(body) as { id: string; type: string }
      types.set(id, type)
      setTimeout(() => response.end(), 20)
    }
    // A process that is killed breaks off what it sends.
    record().catch(() => response.destroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  return { types, signed, url: `http://127.0.0.1:${port}/hook`, close: () => server.close() }
}

// The same on Redis, at chosen points: webhook-kills.spec.ts.
test('webhooks get every event, although the jobs process is killed while it delivers', async () => {
  const system = await startSystem('embedded')
  const receiver = await startReceiver()
  const jobs = (): number => system.pids()[2] ?? 0
  try {
    const webhook = await system.admin('POST', '/api/webhooks', {
      ...{ name: 'w', url: receiver.url, events: ['user.created'] },
    })
    expect(webhook.status).toBe(201)
    receiver.signed.by = webhook.document.data.meta.secret
    const count = 40
    const make = (n: number) => system.admin('POST', '/api/users', { email: `${n}@example.com` })
    const made = Promise.all(Array.from({ length: count }, (_, n) => make(n)))
    await waitFor(() => receiver.types.size >= 5, { timeoutMs: 30_000 })
    const killed = jobs()
    process.kill(killed, 'SIGKILL')
    await waitFor(() => jobs() !== killed, { timeoutMs: 30_000 })
    await made
    const path = `/api/webhooks/${webhook.document.data.id}/deliveries`
    await waitFor(
      async () => {
        const { document } = await system.admin('GET', `${path}?filter[status]=delivered`)
        return document.meta.total === count
      },
      { timeoutMs: 90_000 },
    )
    expect(receiver.types.size).toBe(count)
    const all = await system.admin('GET', `${path}?page[size]=100&fields[webhook_deliveries]=event_id,attempts`)
    const ids = all.document.data.map(({ attributes }: any) => attributes.event_id)
    expect(ids.toSorted()).toEqual([...receiver.types.keys()].toSorted())
  } finally {
    receiver.close()
    await system.stop()
  }
})
