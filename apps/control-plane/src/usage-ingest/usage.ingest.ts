import type { UsageBatch } from '@apigate/contracts'
import {
  consumeUsageBatches,
  openFleetBus,
  readLedgerUnits,
  seedQuotaCounts,
  type Closeable,
  type FleetBus,
  type Logger,
  type TransportConfig,
} from '@apigate/platform'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import type { Database } from '../persistence/index.ts'
import { UsageLedger } from './usage.ledger.ts'
import { ensureUsagePartitions } from './usage.partitions.ts'

const batchesAtOnce = 4
/** Partitions are made two months ahead; looking more often than daily makes up for a database that was away. */
const partitionCheckEveryMs = 3_600_000

/** From the queue to the ledger, and the mark back to the worker. */
export class UsageIngest implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #database: Database
  readonly #transport: TransportConfig
  readonly #log: Logger
  readonly #ledger: UsageLedger
  #running: { bus: FleetBus; consumer: Closeable; seeder: Closeable | null; partitionTimer: NodeJS.Timeout } | null =
    null

  constructor(database: Database, transport: TransportConfig, log: Logger) {
    this.#database = database
    this.#transport = transport
    this.#log = log
    this.#ledger = new UsageLedger(database)
  }

  onApplicationBootstrap(): void {
    void this.#ensurePartitions()
    const bus = openFleetBus(this.#transport, this.#log)
    const ingest = async (batch: UsageBatch): Promise<void> => {
      const { mark } = await this.#ledger.write(batch)
      // For a repeat too: a worker that sends again has missed its mark.
      bus.sendMark(mark)
    }
    this.#running = {
      bus,
      consumer: consumeUsageBatches(this.#transport, this.#log, ingest, { concurrency: batchesAtOnce }),
      // Workers that share limits in Redis ask the ledger for what it counts.
      seeder: seedQuotaCounts(this.#transport, this.#log, (periods) => readLedgerUnits(this.#database.pool, periods)),
      partitionTimer: setInterval(() => void this.#ensurePartitions(), partitionCheckEveryMs),
    }
  }

  /** Finishes the batches that are being written, while the database is still open. */
  async onModuleDestroy(): Promise<void> {
    if (!this.#running) return
    clearInterval(this.#running.partitionTimer)
    await Promise.all([this.#running.consumer.close(), this.#running.seeder?.close()])
    await this.#running.bus.close()
  }

  async #ensurePartitions(): Promise<void> {
    try {
      await ensureUsagePartitions(this.#database.pool)
    } catch (error) {
      // Events of a month without a partition go to the default one and move when it is made.
      this.#log.error({ err: error }, 'cannot make the partitions of the ledger ahead')
    }
  }
}
