import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorObject, type ErrorCode } from '@apigate/errors'
import type { Logger } from './logger.ts'
import type { Closeable } from './transport/transport.ts'

export interface Readiness {
  ready: boolean
  /** What the process depends on, by name: `up`, `down`, or what is wrong in a few words. Never a secret. */
  dependencies: Record<string, string>
}

export interface StatusServerOptions {
  host: string
  /** 0 = any free port. */
  port: number
  readiness(): Readiness | Promise<Readiness>
  /** Prometheus text. */
  metrics(): string | Promise<string>
  /** More paths, each answering JSON, e.g. `/status`. */
  json?: Record<string, () => unknown>
  log: Logger
}

export interface StatusServer extends Closeable {
  readonly port: number
}

interface Answer {
  status: number
  type: string
  text: string
}

/**
 * `GET /healthz`, `/readyz`, `/metrics` and the given JSON paths, on a port of its own, so that a busy or draining process
 * still answers its operator.
 *
 * @throws when the port cannot be bound.
 */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const server = createServer((request, response) => void respond(options, request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return { port: (server.address() as AddressInfo).port, close: () => closeServer(server) }
}

async function respond(
  options: StatusServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let answer: Answer
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    answer = failure('method_not_allowed')
  } else {
    const path = new URL(request.url ?? '/', 'http://status').pathname
    try {
      answer = await answerTo(options, path)
    } catch (error) {
      options.log.warn({ err: error, path }, 'a status handler failed')
      answer = failure(path === '/readyz' ? 'service_unavailable' : 'internal_error')
    }
  }
  response.writeHead(answer.status, { 'content-type': answer.type, 'cache-control': 'no-store' })
  response.end(answer.text)
}

async function answerTo(options: StatusServerOptions, path: string): Promise<Answer> {
  if (path === '/healthz') return json(200, { status: 'ok' })
  if (path === '/readyz') {
    const { ready, dependencies } = await options.readiness()
    return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', dependencies })
  }
  if (path === '/metrics') {
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: await options.metrics() }
  }
  const handler = options.json && Object.hasOwn(options.json, path) ? options.json[path] : undefined
  return handler ? json(200, await handler()) : failure('not_found')
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', text: JSON.stringify(value) }
}

function failure(code: ErrorCode): Answer {
  const error = errorObject(code)
  return { status: Number(error.status), type: 'application/vnd.api+json', text: JSON.stringify({ errors: [error] }) }
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
