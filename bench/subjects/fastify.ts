import proxy from '@fastify/http-proxy'
import { fastify } from 'fastify'

/** @fastify/http-proxy as its README shows it. Argument: the upstream's port. */
const server = fastify({ keepAliveTimeout: 60_000 })
await server.register(proxy, { upstream: `http://127.0.0.1:${process.argv[2]}`, undici: { connections: 100 } })
await server.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ ready: (server.server.address() as { port: number }).port })
