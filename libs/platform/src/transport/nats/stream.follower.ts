import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises'
import { DeliverPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../../logger.ts'
import { backoffMs, throttled } from '../retry.ts'
import type { Closeable } from '../transport.ts'
import type { NatsLink } from './nats.link.ts'

/** Of messages that may be looked at in one turn of the event loop: a millisecond of JSON. */
const turnBytes = 128 * 1024

/**
 * Delivers the messages of a stream's subject in order, from the first that the stream holds, through lost connections
 * and lost streams.
 *
 * The client's ordered consumer repairs itself, but goes on behind the last sequence number that it saw; a stream that was
 * lost and made again counts from 1, and it would wait there for ever. So whenever it stumbles it is thrown away, and a
 * new one begins behind the last message if the stream is still the same one, else at the start.
 */
export class StreamFollower implements Closeable {
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warn: (error: unknown) => void
  #messages: ConsumerMessages | null = null
  #streamCreated = ''
  #lastSeq = 0

  constructor(
    private readonly link: NatsLink,
    private readonly stream: string,
    private readonly subject: string,
    private readonly onMessage: (message: JsMsg) => void,
    log: Logger,
    private readonly onCaughtUp: () => void = () => {},
  ) {
    this.#warn = throttled(log.child({ stream }), 'warn', 'following the stream again')
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#messages?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const connection = await this.link.whenConnected(signal)
      if (connection === null) continue
      try {
        if (await this.#follow(connection)) attempt = 0
      } catch (error) {
        // No stream yet is the ordinary state of a system that starts: the publisher makes it.
        if (isStreamNotFound(error)) this.onCaughtUp()
        else if (!signal.aborted) this.#warn(error)
      }
      await delay(Math.min(backoffMs(attempt), 1_000), undefined, { signal }).catch(() => {})
    }
  }

  /** Returns when the consumer stumbled, with whether it had begun. */
  async #follow(connection: NatsConnection): Promise<boolean> {
    const client = jetstream(connection)
    const manager = await client.jetstreamManager(false)
    const { created, state } = await manager.streams.info(this.stream)
    if (created !== this.#streamCreated || state.last_seq < this.#lastSeq) this.#lastSeq = 0
    this.#streamCreated = created
    let isBehind = state.messages > 0 && state.last_seq > this.#lastSeq
    if (!isBehind) this.onCaughtUp()

    const consumer = await client.consumers.get(this.stream, {
      filter_subjects: this.subject,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#lastSeq + 1,
    })
    const messages = await consumer.consume({
      max_messages: 50,
      expires: 10_000,
      idle_heartbeat: 2_000,
      abort_on_missing_resource: true,
    })
    this.#messages = messages
    if (this.#closing.signal.aborted) messages.stop()
    const watching = stopAtReset(messages)
    let bytes = 0
    for await (const message of messages) {
      // A large change comes in many messages at once, which the client holds: without a pause they would be one turn.
      bytes += message.data.byteLength
      if (bytes > turnBytes) {
        bytes = 0
        await immediate()
      }
      this.#lastSeq = message.seq
      this.onMessage(message)
      if (isBehind && (message.seq >= state.last_seq || message.info.pending === 0)) {
        isBehind = false
        this.onCaughtUp()
      }
    }
    await watching
    return true
  }
}

async function stopAtReset(messages: ConsumerMessages): Promise<void> {
  for await (const notice of messages.status()) if (notice.type === 'reset') messages.stop()
}

export function isStreamNotFound(error: unknown): boolean {
  return error instanceof Error && error.message.includes('stream not found')
}
