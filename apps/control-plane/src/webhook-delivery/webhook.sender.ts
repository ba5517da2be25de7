import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { RefusedTargetError, type TargetGuard } from '../webhook-target/index.ts'

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

export function noAnswer(error: string): Answer {
  return { statusCode: null, latencyMs: 0, response: null, error, retryAfter: null, refused: false }
}

const responseBytesMax = 1_024
const errorLengthMax = 500

/**
 * Posts a message to one of the addresses that the guard has checked, on a connection of its own; redirects are answers like
 * any other. Never throws.
 *
 * @param timeoutMs for everything from the look-up to the last byte that is read.
 * @param stop breaks it off.
 */
export async function post(
  message: Message,
  guard: TargetGuard,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<Answer> {
  const startedMs = performance.now()
  const answered = (answer: Partial<Answer>): Answer => ({
    ...{ ...noAnswer(''), error: null, ...answer },
    latencyMs: Math.round(performance.now() - startedMs),
  })
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([timeout, stop])
  try {
    const answer = await exchange(message, guard, signal)
    const response = await firstBytes(answer)
    const { statusCode = 0 } = answer
    const error = statusCode >= 300 && statusCode < 400 ? 'redirects are not followed' : null
    return answered({ statusCode, response, error, retryAfter: answer.headers['retry-after'] ?? null })
  } catch (error) {
    if (timeout.aborted) return answered({ error: `no answer within ${timeoutMs} ms` })
    return answered({ error: reason(error), refused: error instanceof RefusedTargetError })
  }
}

/** Resolves when the headers of the answer are there. */
async function exchange({ url, headers, body }: Message, guard: TargetGuard, signal: AbortSignal) {
  const addresses = await within(signal, guard.addressesOf(url))
  const target = new URL(url)
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    agent: false,
    signal,
    // The name is not looked up a second time: it may say something else then.
    lookup: (_hostname, { all }, callback) => {
      const [first] = addresses
      if (all || !first) callback(null, addresses)
      else callback(null, first.address, first.family)
    },
  }
  return new Promise<IncomingMessage>((resolve, reject) => {
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, resolve)
    request.on('error', reject)
    request.on('close', () => reject(new Error('the connection was closed without an answer')))
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
      if (bytes >= responseBytesMax) break
    }
  } catch {
    // Cut off.
  }
  answer.destroy()
  const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, responseBytesMax))
  // PostgreSQL's text holds any character but this one.
  return text.replaceAll('\0', '\uFFFD')
}

/** A look-up cannot be broken off, only left alone. */
async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(new Error('broken off'))
  signal.addEventListener('abort', abort, { once: true })
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
  return text.slice(0, errorLengthMax)
}
