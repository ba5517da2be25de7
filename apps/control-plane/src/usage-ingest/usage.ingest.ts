import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { UsageBatch } from '@apigate/contracts'
import {
  consumeUsageBatches,
  type Closeable,
  type FleetBus,
  type Logger,
  type TransportConfig,
} from '@apigate/platform'
import { Database } from '../persistence/index.ts'
import { UsageLedger } from './usage.ledger.ts'
import { ensureUsagePartitions } from './usage.partitions.ts'

/** What the ingest is given by its process. */
export interface UsageIngestConnections {
  transport: TransportConfig
  bus: FleetBus
  log: Logger
}

const batchesAtOnce = 4
/** Partitions are made two months ahead; looking more often than daily makes up for a database that was away. */
const partitionCheckEveryMs = 3_600_000

/** From the queue to the ledger, and the mark back to the worker. */
@Injectable()
export class UsageIngest implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #ledger: UsageLedger
  readonly #database: Database
  readonly #connections: UsageIngestConnections
  #consumer: Closeable | null = null
  #partitionTimer: NodeJS.Timeout | undefined

  constructor(ledger: UsageLedger, database: Database, connections: UsageIngestConnections) {
    this.#ledger = ledger
    this.#database = database
    this.#connections = connections
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#ensurePartitions()
    this.#partitionTimer = setInterval(() => void this.#ensurePartitions(), partitionCheckEveryMs)
    const { transport, log } = this.#connections
    this.#consumer = consumeUsageBatches(transport, log, (batch) => this.ingest(batch), { concurrency: batchesAtOnce })
  }

  /** Finishes the batches that are being written; runs before the database is closed. */
  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#partitionTimer)
    await this.#consumer?.close()
  }

  /** The mark goes out for repeats too: a worker that sends again has missed it. */
  async ingest(batch: UsageBatch): Promise<void> {
    const { mark } = await this.#ledger.write(batch)
    this.#connections.bus.sendMark(mark)
  }

  async #ensurePartitions(): Promise<void> {
    try {
      await ensureUsagePartitions(this.#database.pool)
    } catch (error) {
      // Events of a month without a partition go to the default one and move when it is made.
      this.#connections.log.error({ err: error }, 'cannot make the partitions of the ledger ahead')
    }
  }
}
