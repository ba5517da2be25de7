import type { Socket } from 'node:net'
import type { Exchange } from '../pipeline/exchange.ts'
import { finish } from '../pipeline/finish.ts'
import { recordSoFar } from '../pipeline/stages/record.ts'
import { FrameCounter } from './frame.counter.ts'

/** RFC 6455 §7.4.1 */
export type CloseCode = 1001 | 1008

const lingerMs = 3_000

/**
 * A WebSocket that is open: two sockets that somebody else has joined. Counts what passes, records it every so often, so that a
 * worker that is killed loses no more than that, and ends it with a Close frame between two frames of the upstream.
 */
export class OpenWebSocket {
  readonly #exchange: Exchange
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #fromClient = new FrameCounter()
  readonly #fromUpstream = new FrameCounter()
  readonly #bytesReadBefore: number
  /** With the head of the answer, which is written in the turn of the upgrade. */
  #bytesWrittenBefore = 0
  #isClosing = false

  constructor(exchange: Exchange, upstream: Socket, checkpointMs: number, sendTimeoutMs: number) {
    this.#exchange = exchange
    this.#client = exchange.socket
    this.#upstream = upstream
    this.#bytesReadBefore = this.#client.bytesRead
    // The sockets are joined in this turn, and flow in the next: who listens earlier takes bytes away.
    process.nextTick(() => {
      this.#bytesWrittenBefore = this.#client.bytesWritten
      this.#client.on('data', (bytes: Buffer) => this.#fromClient.read(bytes))
      upstream.on('data', this.#onUpstreamData)
    })
    const checkpoint = setInterval(() => this.#checkpoint(), checkpointMs).unref()
    // As for every answer: a client that takes nothing of what is there for it.
    this.#client.setTimeout(sendTimeoutMs, () => {
      if (this.#client.writableLength > 0) this.#client.destroy()
      else this.#client.setTimeout(sendTimeoutMs)
    })
    this.#client.on('close', () => {
      clearInterval(checkpoint)
      upstream.destroy()
      this.#measure()
      exchange.gateway.counters.inFlight -= 1
      finish(exchange, () => {})
    })
    // A client that does not hang up after its upstream did, or an upstream after its client, has this long to say the rest.
    upstream.on('close', () => this.#endSoon())
    this.#client.on('end', () => this.#endSoon())
  }

  #endSoon(): void {
    const linger = setTimeout(() => this.#client.destroy(), lingerMs)
    this.#client.on('close', () => clearTimeout(linger))
  }

  /** A frame of the upstream that has begun is passed to its end, as long as that takes no longer than a closing client may. */
  close(code: CloseCode): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#upstream.unpipe(this.#client)
    this.#client.unpipe(this.#upstream)
    this.#client.resume()
    if (this.#fromUpstream.isAtBoundary) {
      this.#sendClose(code)
      return
    }
    this.#upstream.off('data', this.#onUpstreamData)
    this.#upstream.on('data', (bytes: Buffer) => {
      this.#client.write(bytes.subarray(0, this.#fromUpstream.bytesToBoundary(bytes)))
      this.#fromUpstream.read(bytes.subarray(0, this.#fromUpstream.bytesToBoundary(bytes)))
      if (this.#fromUpstream.isAtBoundary) this.#sendClose(code)
    })
    this.#upstream.resume()
    const patience = setTimeout(() => this.#sendClose(code), lingerMs)
    this.#client.on('close', () => clearTimeout(patience))
  }

  readonly #onUpstreamData = (bytes: Buffer): void => this.#fromUpstream.read(bytes)

  #sendClose(code: CloseCode): void {
    this.#upstream.removeAllListeners('data')
    this.#client.write(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]))
    this.#client.destroySoon()
    this.#upstream.destroy()
  }

  #measure(): void {
    const exchange = this.#exchange
    exchange.requestBytes = this.#client.bytesRead - this.#bytesReadBefore + exchange.upgradeHead!.length
    exchange.responseBytes = this.#client.bytesWritten - this.#bytesWrittenBefore
    exchange.messagesIn = this.#fromClient.messages
    exchange.messagesOut = this.#fromUpstream.messages
  }

  #checkpoint(): void {
    this.#measure()
    recordSoFar(this.#exchange)
  }
}
