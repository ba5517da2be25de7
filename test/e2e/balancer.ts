import http from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

export interface Target {
  url: string
  /** Asked every 100 ms; anything but 200 takes the target out. */
  readyUrl: string
}

interface WatchedTarget {
  url: URL
  readyUrl: string
  isReady: boolean
  agent: http.Agent
}

/** A small HTTP balancer over targets that say that they are ready; it keeps connections to them. */
export class Balancer {
  /** How often a target refused the connection, and the next one was asked. Nothing else is ever sent again. */
  refused = 0
  /** What clients saw fail. */
  readonly failures: string[] = []
  readonly #targets: WatchedTarget[]
  readonly #server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    this.#forward(request, response)
  })
  readonly #closing = new AbortController()
  #turn = 0

  constructor(targets: readonly Target[]) {
    this.#targets = targets.map(({ url, readyUrl }) => {
      return { url: new URL(url), readyUrl, isReady: false, agent: new http.Agent({ keepAlive: true }) }
    })
    this.#server.on('upgrade', (request, socket, head) => this.#tunnel(request, socket, head))
  }

  /** Resolves with its URL when it has asked every target. */
  async start(): Promise<string> {
    await Promise.all(this.#targets.map((target) => this.#watch(target)))
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Whether this target would be asked now. */
  isReady(url: string): boolean {
    return this.#targets.some((target) => target.isReady && target.url.origin === url)
  }

  close(): void {
    this.#closing.abort()
    this.#server.close()
    this.#server.closeAllConnections()
    for (const { agent } of this.#targets) agent.destroy()
  }

  async #watch(target: WatchedTarget): Promise<void> {
    const { signal } = this.#closing
    const answer = await fetch(target.readyUrl, { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) })
      .then((response) => response.ok)
      .catch(() => false)
    target.isReady = answer
    void delay(100, undefined, { signal }).then(
      () => this.#watch(target),
      () => {},
    )
  }

  /** Those that are ready, each time beginning with another. */
  #candidates(): WatchedTarget[] {
    const ready = this.#targets.filter(({ isReady }) => isReady)
    const first = (this.#turn += 1) % Math.max(1, ready.length)
    return [...ready.slice(first), ...ready.slice(0, first)]
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => this.#try(this.#candidates(), request, Buffer.concat(chunks), response))
  }

  #try(
    [target, ...others]: WatchedTarget[],
    request: http.IncomingMessage,
    body: Buffer,
    response: http.ServerResponse,
  ): void {
    const { method = 'GET', url = '/', headers } = request
    const failed = (what: string): void => {
      this.failures.push(`${method} ${url} ${target?.url.host ?? ''}: ${what}`)
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    }
    if (target === undefined) return failed('no target is ready')
    const { hostname, port } = target.url
    const { connection: _, ...passed } = headers
    const asked = http.request({ agent: target.agent, hostname, port, method, path: url, headers: passed })
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') return failed(String(error))
      this.refused += 1
      this.#try(others, request, body, response)
    })
    asked.on('response', (answer) => {
      // Of the target's own connection.
      const { connection: __, 'keep-alive': ___, ...answered } = answer.headers
      response.writeHead(answer.statusCode ?? 502, answered)
      answer.on('data', (chunk) => response.write(chunk))
      answer.on('end', () => (answer.complete ? response.end() : failed('the answer broke off')))
      answer.on('error', () => {})
    })
    asked.end(body)
  }

  #tunnel(request: http.IncomingMessage, socket: Duplex, head: Buffer, targets = this.#candidates()): void {
    const [target, ...others] = targets
    if (target === undefined) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    const upstream = connect(Number(target.url.port), target.url.hostname)
    upstream.once('connect', () => {
      const lines = request.rawHeaders.map((part, n) => (n % 2 === 0 ? `${part}: ` : `${part}\r\n`)).join('')
      upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines}\r\n`)
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') return void socket.end()
      this.refused += 1
      this.#tunnel(request, socket, head, others)
    })
    socket.on('error', () => upstream.end())
  }
}
