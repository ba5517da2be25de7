import { request as httpRequest, type Agent, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupAddress } from 'node:dns'
import { RefusedTargetError } from '../webhook-target/index.ts'

/** What came of one attempt. */
export interface Answer {
  /** Null when there was no answer. */
  statusCode: number | null
  latencyMs: number
  /** First KB of the body, as text. */
  response: string | null
  /** Why there was no answer, or why it is none that counts. */
  error: string | null
  retryAfter: string | null
  /** The URL leads to where nothing may be sent. */
  refused: boolean
}

export interface Message {
  url: string
  headers: Record<string, string>
  body: string
}

export interface Receiver {
  /** Those that may be dialled. */
  addresses: Promise<readonly LookupAddress[]>
  agent: Agent
}

export function noAnswer(error: string): Answer {
  return { statusCode: null, latencyMs: 0, response: null, error, retryAfter: null, refused: false }
}

const responseBytesMax = 1_024
const errorLengthMax = 500

/** Posts messages; what runs can be broken off. Never throws. */
export class WebhookSender {
  readonly #running = new Set<AbortController>()
  #isCut = false

  /** @param timeoutMs for everything from the look-up to the last byte that is read. */
  constructor(private readonly timeoutMs: number) {}

  get isCut(): boolean {
    return this.#isCut
  }

  /** Breaks off what runs, and all that follows. */
  cut(): void {
    this.#isCut = true
    for (const running of this.#running) running.abort()
  }

  /** To one of the addresses that were checked, also on a connection from before; redirects are answers like any other. */
  async post(message: Message, receiver: Receiver): Promise<Answer> {
    const startedMs = performance.now()
    const answered = (answer: Partial<Answer>): Answer => ({
      ...{ ...noAnswer(''), error: null, ...answer },
      latencyMs: Math.round(performance.now() - startedMs),
    })
    const stop = new AbortController()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      stop.abort()
    }, this.timeoutMs)
    this.#running.add(stop)
    if (this.#isCut) stop.abort()
    try {
      const addresses = await within(stop.signal, receiver.addresses)
      const answer = await exchange(message, addresses, receiver.agent, stop.signal)
      const response = await firstBytes(answer)
      const { statusCode = 0 } = answer
      const error = statusCode >= 300 && statusCode < 400 ? 'redirects are not followed' : null
      return answered({ statusCode, response, error, retryAfter: answer.headers['retry-after'] ?? null })
    } catch (error) {
      if (isLate) return answered({ error: `no answer within ${this.timeoutMs} ms` })
      return answered({ error: reason(error), refused: error instanceof RefusedTargetError })
    } finally {
      clearTimeout(timer)
      this.#running.delete(stop)
    }
  }
}

/** Resolves when the headers of the answer are there. */
function exchange(
  { url, headers, body }: Message,
  addresses: readonly LookupAddress[],
  agent: Agent | false,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const target = new URL(url)
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    agent,
    signal,
    // The name is not looked up a second time: it may say something else then.
    lookup: (_hostname, { all }, callback) => {
      const [first] = addresses
      if (all || !first) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    },
  }
  return new Promise<IncomingMessage>((resolve, reject) => {
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options)
    let isOver = false
    const over = (error: Error | null, answer?: IncomingMessage): void => {
      if (isOver) return
      isOver = true
      if (answer) resolve(answer)
      // The receiver closed a kept connection at this very moment.
      else if (request.reusedSocket && !signal.aborted)
        resolve(exchange({ url, headers, body }, addresses, false, signal))
      else reject(error ?? new Error('the connection was closed without an answer'))
    }
    request.on('response', (answer) => over(null, answer))
    request.on('error', over)
    request.on('close', () => over(null))
    request.end(body)
  })
}

/** What can be read of an answer whose status is known already: a body that breaks off or never ends changes nothing. */
async function firstBytes(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > responseBytesMax) break
    }
  } catch {
    // Cut off.
  }
  // What is whole leaves a connection that can be used again.
  if (!answer.complete) answer.destroy()
  const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, responseBytesMax))
  // PostgreSQL's text holds any character but this one.
  return text.replaceAll('\0', '\uFFFD')
}

/** A look-up cannot be broken off, only left alone. */
async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(new Error('broken off'))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function reason(error: unknown): string {
  const { errors, code, message } = error as AggregateError & { code?: string }
  // All addresses of a name failed, each in its way.
  const text = (errors?.[0] as Error | undefined)?.message || message || code || String(error)
  return text.slice(0, errorLengthMax).replaceAll('\0', '\uFFFD')
}
