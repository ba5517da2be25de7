import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { WebSocketServer } from 'ws'

export interface RecordedRequest {
  method: string
  /** Path and query as they came. */
  url: string
  headers: IncomingHttpHeaders
  /** Names and values alternating, in the spelling and order on the wire. */
  rawHeaders: string[]
  body: Buffer
}

export interface FakeAnswer {
  status?: number
  headers?: Record<string, string | string[]>
  body?: string | Uint8Array
}

export interface FakeUpstream {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Every request so far, upgrades included, in order of arrival (of its last byte, if it has a body). */
  readonly requests: RecordedRequest[]
  /** What to answer from now on, when a request's body is there. At first 200 with `{"ok":true}`. */
  answer(script: FakeAnswer | ((request: RecordedRequest, response: ServerResponse) => unknown)): void
  /** Takes requests raw and unrecorded, for streams and misbehaviour; null goes back to `answer`. */
  handle(listener: RequestListener | null): void
  close(): Promise<void>
}

/** An HTTP server that records requests and answers as told; a WebSocket upgrade gets an echo. */
export async function startFakeUpstream(): Promise<FakeUpstream> {
  const requests: RecordedRequest[] = []
  let script: Parameters<FakeUpstream['answer']>[0] = {
    headers: { 'content-type': 'application/json' },
    body: '{"ok":true}',
  }
  let raw: RequestListener | null = null

  const server = createServer((incoming, response) => {
    if (raw !== null) return raw(incoming, response)
    // A client that goes away while it sends is not recorded.
    buffer(incoming).then(
      (body) => {
        const { method = '', url = '', headers, rawHeaders } = incoming
        const request = { method, url, headers, rawHeaders, body }
        requests.push(request)
        if (typeof script === 'function') return script(request, response)
        response.writeHead(script.status ?? 200, script.headers ?? {})
        return response.end(script.body)
      },
      () => response.destroy(),
    )
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, { method = '', url = '', headers, rawHeaders }) => {
    requests.push({ method, url, headers, rawHeaders, body: Buffer.alloc(0) })
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }))
    // It has sent its Close frame; cutting it off would take that away.
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(next) {
      script = next
    },
    handle(listener) {
      raw = listener
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
