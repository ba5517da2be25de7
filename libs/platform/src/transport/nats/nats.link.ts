import { setTimeout as delay } from 'node:timers/promises'
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../../logger.ts'
import { backoffMs, throttled } from '../retry.ts'
import type { Closeable } from '../transport.ts'
import { natsOptions } from './nats.url.ts'

const requestTimeoutMs = 5_000

/**
 * One connection to NATS that is made in the background, for ever: processes start and run without it. The client
 * reconnects by itself; only when it gives up (e.g. refused credentials) a new one is made.
 */
export class NatsLink implements Closeable {
  readonly #options: ConnectionOptions
  readonly #warn: (error: unknown) => void
  readonly #log: Logger
  readonly #listeners = new Set<(connected: boolean) => void>()
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #connection: NatsConnection | null = null
  #connected = false

  /** @throws when `natsUrl` is not one. */
  constructor(natsUrl: string, name: string, log: Logger) {
    this.#options = {
      ...natsOptions(natsUrl),
      name,
      timeout: requestTimeoutMs,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      // Finds a dead peer within half a minute; the default takes six.
      pingInterval: 10_000,
      maxPingOut: 2,
    }
    this.#log = log
    this.#warn = throttled(log, 'warn', 'NATS is away')
    this.#running = this.#run()
  }

  /** The connection if it is up. */
  get current(): NatsConnection | null {
    return this.#connected ? this.#connection : null
  }

  /** Calls the listener with the state now and at each turn. */
  onConnected(listener: (connected: boolean) => void): Closeable {
    this.#listeners.add(listener)
    listener(this.#connected)
    return {
      close: () => {
        this.#listeners.delete(listener)
        return Promise.resolve()
      },
    }
  }

  /** @throws when there is no connection within the time. */
  async connection(timeoutMs = 2_000): Promise<NatsConnection> {
    const connection = await this.whenConnected(AbortSignal.timeout(timeoutMs))
    if (connection === null) throw new Error('NATS is away')
    return connection
  }

  /** The connection as soon as there is one; null when the signal or `close` comes first. */
  async whenConnected(signal: AbortSignal): Promise<NatsConnection | null> {
    if (!this.#connected) {
      const stop = AbortSignal.any([signal, this.#closing.signal])
      await new Promise<void>((resolve) => {
        const done = (connected: boolean): void => {
          if (!connected && !stop.aborted) return
          this.#listeners.delete(done)
          resolve()
        }
        this.#listeners.add(done)
        stop.addEventListener('abort', () => done(false), { once: true })
        done(this.#connected)
      })
    }
    return this.#closing.signal.aborted ? null : this.current
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#connection?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#closing.signal.aborted; attempt += 1) {
      try {
        const connection = await connect(this.#options)
        attempt = 0
        await this.#use(connection)
      } catch (error) {
        this.#warn(error)
      }
      await delay(backoffMs(attempt), undefined, { signal: this.#closing.signal }).catch(() => {})
    }
  }

  async #use(connection: NatsConnection): Promise<void> {
    if (this.#closing.signal.aborted) return connection.close()
    this.#connection = connection
    this.#turn(true)
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#turn(false)
      if (status.type === 'reconnect') this.#turn(true)
      if (status.type === 'error') this.#warn(status.error)
    }
    await connection.closed()
    this.#connection = null
    this.#turn(false)
  }

  #turn(connected: boolean): void {
    if (this.#connected === connected) return
    this.#connected = connected
    if (!this.#closing.signal.aborted) this.#log.info({ connected }, connected ? 'NATS is connected' : 'NATS is lost')
    for (const listener of this.#listeners) listener(connected)
  }
}
