import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../../logger.ts'
import { backoffMs, throttled } from '../retry.ts'
import type { Closeable } from '../transport.ts'

export interface NotifyHandlers {
  onNotification(channel: string, payload: string): void
  /** LISTEN is in force (`true`) or was lost (`false`). What was sent in between is lost: read again on `true`. */
  onConnected(connected: boolean): void
}

/** LISTENs on a connection of its own, which it makes again, for ever, whenever it breaks. */
export class NotifyListener implements Closeable {
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warn: (error: unknown) => void
  #client: pg.Client | null = null

  constructor(
    private readonly databaseUrl: string,
    private readonly channels: readonly string[],
    private readonly handlers: NotifyHandlers,
    log: Logger,
  ) {
    this.#warn = throttled(log, 'warn', 'PostgreSQL is away: listening again')
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#client?.end().catch(() => {})
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#listen(() => (attempt = 0))
      } catch (error) {
        if (!signal.aborted) this.#warn(error)
      }
      await delay(Math.min(backoffMs(attempt), 2_000), undefined, { signal }).catch(() => {})
    }
  }

  /** Resolves or throws when the connection has ended. */
  async #listen(onListening: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString: this.databaseUrl,
      connectionTimeoutMillis: 5_000,
      application_name: 'apigate-listen',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    const ended = new Promise<void>((resolve, reject) => {
      client.once('end', resolve)
      client.on('error', reject)
    })
    // Awaited below; until then a failure is that of connect().
    ended.catch(() => {})
    client.on('notification', ({ channel, payload }) => this.handlers.onNotification(channel, payload ?? ''))
    this.#client = client
    try {
      await client.connect()
      for (const channel of this.channels) await client.query(`LISTEN ${client.escapeIdentifier(channel)}`)
      if (this.#closing.signal.aborted) return
      onListening()
      this.handlers.onConnected(true)
      await ended
    } finally {
      if (!this.#closing.signal.aborted) this.handlers.onConnected(false)
      await client.end().catch(() => {})
    }
  }
}
