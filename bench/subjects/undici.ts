import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool, type Dispatcher } from 'undici'

/** node:http in front, undici's dispatch behind, nothing in between but the hop-by-hop headers. Argument: the upstream's port. */
const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 100 })
const hopByHop = new Set(['connection', 'keep-alive', 'host', 'transfer-encoding'])

function forward(request: IncomingMessage, response: ServerResponse): void {
  const headers: string[] = []
  for (let n = 0; n < request.rawHeaders.length; n += 2) {
    const name = request.rawHeaders[n] as string
    if (!hopByHop.has(name.toLowerCase())) headers.push(name, request.rawHeaders[n + 1] as string)
  }
  pool.dispatch(
    {
      method: request.method as Dispatcher.HttpMethod,
      path: request.url as string,
      headers,
      body: request.method === 'POST' ? request : null,
    },
    {
      onRequestStart() {},
      onResponseStart(_controller, statusCode, responseHeaders) {
        delete responseHeaders['connection']
        delete responseHeaders['keep-alive']
        response.writeHead(statusCode, responseHeaders)
      },
      onResponseData(_controller, chunk) {
        response.write(chunk)
      },
      onResponseEnd() {
        response.end()
      },
      onResponseError() {
        response.destroy()
      },
    },
  )
}

const server = createServer(forward)
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ ready: (server.address() as AddressInfo).port }))
