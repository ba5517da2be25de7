import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers with 1 KB, or with 64 KB where the path ends so, and costs as little as node:http allows. */
const small = Buffer.alloc(1_024, 'x')
const large = Buffer.alloc(65_536, 'x')
const server = createServer((request, response) => {
  const body = request.url?.endsWith('/large') ? large : small
  request.resume()
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ ready: (server.address() as AddressInfo).port }))
