import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers every GET with 1 KB, and costs as little as node:http allows. */
const body = Buffer.alloc(1024, 'x')
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ ready: (server.address() as AddressInfo).port }))
