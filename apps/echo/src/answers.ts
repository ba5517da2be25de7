import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { demoPage } from './demo.page.ts'

const bodyBytesMax = 1 << 20
const answerBytesMax = 1 << 30
const eventsMax = 1000
const delayMsMax = 600_000
const eventIntervalMs = 50

/**
 * `/status/{code}`, `/bytes/{n}`, `/delay/{ms}`, `/events?n=` (server-sent events), `/demo` (a page); everything else is
 * answered with the request as JSON.
 */
export function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://echo')
  const [, first = '', second = ''] = url.pathname.split('/')
  respond(first, Number(second), url, request, response).catch(() => response.destroy())
}

async function respond(
  first: string,
  argument: number,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (first) {
    case 'status':
      return echo(request, response, argument >= 200 && argument <= 599 ? argument : 400)
    case 'bytes':
      return sendBytes(response, Math.min(argument || 0, answerBytesMax))
    case 'delay':
      await sleep(Math.min(argument || 0, delayMsMax))
      return echo(request, response, 200)
    case 'events':
      return sendEvents(response, Math.min(Number(url.searchParams.get('n') ?? 3) || 0, eventsMax))
    case 'demo':
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(demoPage)
      return
    default:
      return echo(request, response, 200)
  }
}

async function echo(request: IncomingMessage, response: ServerResponse, status: number): Promise<void> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= bodyBytesMax) chunks.push(chunk)
  }
  const body = Buffer.concat(chunks).toString('utf8')
  response.writeHead(status, { 'content-type': 'application/json' })
  const said = { method: request.method, url: request.url, headers: request.headers, body, body_bytes: bytes }
  response.end(status === 204 || status === 304 ? undefined : `${JSON.stringify(said, null, 2)}\n`)
}

async function sendBytes(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  const block = Buffer.alloc(Math.min(bytes, 65_536), 'x')
  for (let left = bytes; left > 0 && !response.destroyed; left -= block.length) {
    const fits = response.write(left < block.length ? block.subarray(0, left) : block)
    if (!fits) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
  }
  response.end()
}

async function sendEvents(response: ServerResponse, count: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  for (let n = 1; n <= count && !response.destroyed; n++) {
    response.write(`id: ${n}\ndata: ${JSON.stringify({ n, of: count })}\n\n`)
    await sleep(eventIntervalMs)
  }
  response.end()
}
