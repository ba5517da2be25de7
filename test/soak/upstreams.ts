import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import path from 'node:path'

export interface Upstreams {
  plain: string
  /** Resets every connection before an answer: the other target of a route with retries. */
  broken: string
  tls: string
  close(): void
}

const large = Buffer.alloc(1 << 20, 'x')

/** Where the proxies of a soak test find what they need to trust its upstream. */
export function makeCertificate(dir: string): string {
  const file = path.join(dir, 'certificate.pem')
  const { status, stderr } = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', path.join(dir, 'key.pem'), '-out', file, '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost'],
  ])
  if (status !== 0) throw new Error(`openssl cannot make a certificate: ${String(stderr)}`)
  return file
}

/** Answers small and large, whole and in chunks, early, late and never. */
export async function startUpstreams(dir: string): Promise<Upstreams> {
  const plain = http.createServer(answer)
  plain.on('upgrade', (request, socket) => echo(request.headers['sec-websocket-key'] ?? '', socket as Socket))
  const broken = http.createServer((request) => request.socket.resetAndDestroy())
  const files = { key: readFileSync(path.join(dir, 'key.pem')), cert: readFileSync(path.join(dir, 'certificate.pem')) }
  const tls = https.createServer(files, answer)
  const servers = [plain, broken, tls]
  const ports = await Promise.all(servers.map(listen))
  return {
    plain: `http://127.0.0.1:${ports[0]}`,
    broken: `http://127.0.0.1:${ports[1]}`,
    tls: `https://localhost:${ports[2]}`,
    close: () => servers.forEach((server) => (server.close(), server.closeAllConnections())),
  }
}

const answer: RequestListener = (request, response) => {
  request.resume()
  request.on('error', () => {})
  switch (request.url ?? '') {
    case '/large':
      response.end(large)
      break
    case '/chunked':
      response.write('first ')
      setImmediate(() => response.end('last'))
      break
    case '/slow':
      setTimeout(() => response.end('at last'), 300)
      break
    case '/reset':
      response.writeHead(200, { 'content-length': 1_000 })
      response.write('the beginning', () => request.socket.resetAndDestroy())
      break
    default:
      response.end('small')
  }
}

/** A WebSocket that answers each message with the same one, and a Close frame with another. */
function echo(key: string, socket: Socket): void {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.on('error', () => {})
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.on('data', (frame: Buffer) => {
    if ((frame[0]! & 0x0f) === 8) socket.end(Buffer.from([0x88, 0x00]))
    else socket.write(Buffer.from([0x81, 0x02, 0x6f, 0x6b]))
  })
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
