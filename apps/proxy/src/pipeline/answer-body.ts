import { fieldsOfChangedBody } from './changed-headers.ts'
import type { AnswerFields } from '../upstream/http1/answer.fields.ts'
import type { Exchange } from './exchange.ts'
import { changedJson, decoded } from './json-body.ts'
import { refusal, type Refusal } from './refusal.ts'
import type { AnswerChanges } from './stages/transform-response.ts'

/** What cannot be transformed does not pass: a transform may be there to keep something from the client. */
export const tooLarge = refusal('upstream_error', 'The answer is too large to be transformed.')
const notReadable = refusal('upstream_error', 'The Content-Encoding of the answer cannot be read.')

/** The JSON body of an answer that is read whole, to be transformed. */
export class AnswerBody {
  readonly changes: AnswerChanges
  readonly #exchange: Exchange
  readonly #fields: AnswerFields
  readonly #chunks: Buffer[] = []
  #bytes = 0
  isTooLarge: boolean

  constructor(exchange: Exchange, changes: AnswerChanges, fields: AnswerFields) {
    this.#exchange = exchange
    this.changes = changes
    this.#fields = fields
    this.isTooLarge = Number(fields.get('content-length') ?? 0) > exchange.gateway.transformBytesMax
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
    this.isTooLarge = this.#bytes > this.#exchange.gateway.transformBytesMax
  }

  /** What is sent: the changed body, or what came where there is nothing to change. */
  async changed(): Promise<{ fields: AnswerFields; body: Buffer } | Refusal> {
    const { gateway, variables } = this.#exchange
    const fields = this.#fields
    const received = Buffer.concat(this.#chunks)
    const plain = await decoded(received, fields.get('content-encoding'), gateway.transformBytesMax)
    if (plain === 'too_large') return tooLarge
    if (plain === 'unknown' || plain === 'broken') return notReadable
    const body = changedJson(plain, this.changes.parts, variables!)
    if (body === null) return { fields: fields.with('content-length', String(received.length)), body: received }
    return { fields: fieldsOfChangedBody(fields, body.length), body }
  }
}
