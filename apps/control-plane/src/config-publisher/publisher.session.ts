import { setTimeout as delay } from 'node:timers/promises'
import { channels } from '@apigate/contracts'
import pg from 'pg'

/** Any number, the same in every version: names the publisher among the advisory locks of the database. */
const lockKey = 4_150_191_644n

/**
 * A connection that holds the publisher's advisory lock and listens for changes. The lock ends with the connection, so
 * that at most one session of the database has it, and another gets it when its process dies.
 */
export class PublisherSession {
  readonly #client: pg.Client
  readonly #ended = new AbortController()
  #onChange: () => void = () => {}
  /** The newest revision that NOTIFY has told of, 0 before the first. */
  toldRevision = 0

  constructor(databaseUrl: string) {
    this.#client = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: 5_000,
      application_name: 'apigate-config-publisher',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    this.#client.on('error', () => this.#ended.abort())
    this.#client.on('end', () => this.#ended.abort())
    this.#client.on('notification', ({ payload }) => {
      this.toldRevision = Math.max(this.toldRevision, Number(payload) || 0)
      this.#onChange()
    })
  }

  /** Aborts when the connection, and so the lock, is lost. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** @throws when PostgreSQL is away. */
  async connect(): Promise<void> {
    await this.#client.connect()
    // The server should notice within half a minute that this machine is gone, not after its default of two hours.
    await this.#client.query(
      'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4',
    )
    await this.#client.query(`LISTEN ${channels.configChange}`)
  }

  /**
   * Asks for the lock every `everyMs` until it is given: a call that waits in the database would hold a snapshot there,
   * and with it VACUUM, for as long as the owner lives.
   *
   * @returns false when the signal or the end of the connection came first.
   */
  async own(everyMs: number, signal: AbortSignal): Promise<boolean> {
    const stop = AbortSignal.any([signal, this.#ended.signal])
    while (!stop.aborted) {
      const { rows } = await this.#client.query<{ owned: boolean }>('SELECT pg_try_advisory_lock($1) AS owned', [
        String(lockKey),
      ])
      if (rows[0]?.owned === true) return true
      await delay(everyMs, undefined, { signal: stop }).catch(() => {})
    }
    return false
  }

  /** Begins to note changes at once; the returned function waits for the first since then, the time, or the stop. */
  noteChanges(stop: AbortSignal): (waitMs: number) => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    this.#onChange = wake
    return async (waitMs) => {
      const timer = setTimeout(wake, waitMs)
      stop.addEventListener('abort', wake)
      if (stop.aborted) wake()
      await promise
      stop.removeEventListener('abort', wake)
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {})
  }
}
