import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'

/** http-proxy-3 as its README shows it, with a keep-alive agent. Argument: the upstream's port. */
const target = `http://127.0.0.1:${process.argv[2]}`
const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true, maxSockets: 100 }) })
proxy.on('error', (error) => {
  throw error
})
const server = createServer((request, response) => proxy.web(request, response))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ ready: (server.address() as AddressInfo).port }))
