import type { UsageBatch } from '@apigate/contracts'
import {
  consumeUsageBatches,
  consumeUsageBatchesV1,
  openFleetBus,
  readLedgerUnits,
  RefusedBatchError,
  seedQuotaCounts,
  type Closeable,
  type FleetBus,
  type QuotaCountSeeder,
  type Logger,
  type TransportConfig,
} from '@apigate/platform'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import type { Database } from '../persistence/index.ts'
import { rowsOfV1 } from './usage.batch.v1.ts'
import { UsageLedger } from './usage.ledger.ts'
import { ensureUsagePartitions } from './usage.partitions.ts'
import { raiseThresholds } from './usage.thresholds.ts'
import { tidyLedger } from './usage.upkeep.ts'

/** The ledger writes those that wait together; as many again are fetched meanwhile. */
const batchesAtOnce = 192
const batchesAtOnceV1 = 4
/** Partitions are made two months ahead; looking more often than daily makes up for a database that was away. */
const upkeepEveryMs = 3_600_000
/** For thresholds that were reached when whoever wrote them ended before it told of them. */
const raiseEveryMs = 60_000

/** Since the start: batches by what came of an attempt to write one, and events that were new. */
export interface IngestCounts {
  written: number
  again: number
  setAside: number
  events: number
}

/** From the queue to the ledger, and the mark back to the worker. */
export class UsageIngest implements OnApplicationBootstrap, OnModuleDestroy {
  readonly counts: IngestCounts = { written: 0, again: 0, setAside: 0, events: 0 }
  readonly #database: Database
  readonly #transport: TransportConfig
  readonly #log: Logger
  readonly #ledger: UsageLedger
  readonly #retentionMonths: number
  #running: {
    bus: FleetBus
    consumers: Closeable[]
    seeder: QuotaCountSeeder | null
    timers: NodeJS.Timeout[]
  } | null = null

  constructor(database: Database, config: TransportConfig & { usageRetentionMonths: number }, log: Logger) {
    this.#database = database
    this.#transport = config
    this.#retentionMonths = config.usageRetentionMonths
    this.#log = log
    this.#ledger = new UsageLedger(database)
  }

  onApplicationBootstrap(): void {
    void this.#upkeep()
    const bus = openFleetBus(this.#transport, this.#log)
    const ingest = async (batch: UsageBatch): Promise<void> => {
      const { mark } = await this.#write(batch)
      // For a repeat too: a worker that sends again has missed its mark.
      bus.sendMark(mark)
    }
    this.#running = {
      bus,
      consumers: [
        consumeUsageBatches(this.#transport, this.#log, ingest, { concurrency: batchesAtOnce }),
        consumeUsageBatchesV1(this.#transport, this.#log, async (batch) => ingest(rowsOfV1(batch)), {
          concurrency: batchesAtOnceV1,
        }),
      ],
      // Workers that share limits in Redis ask the ledger for what it counts.
      seeder: seedQuotaCounts(this.#transport, this.#log, (periods) => readLedgerUnits(this.#database.pool, periods)),
      timers: [
        setInterval(() => void this.#upkeep(), upkeepEveryMs),
        setInterval(() => void this.#raise(), raiseEveryMs),
      ],
    }
  }

  /** Null: not used. */
  get connected(): Record<'nats' | 'redis', boolean | null> {
    const { natsUrl } = this.#transport
    return {
      nats: natsUrl === null ? null : (this.#running?.bus.isConnected ?? false),
      redis: this.#running?.seeder?.isConnected ?? null,
    }
  }

  /** Finishes the batches that are being written, while the database is still open. */
  async onModuleDestroy(): Promise<void> {
    if (!this.#running) return
    for (const timer of this.#running.timers) clearInterval(timer)
    await Promise.all([...this.#running.consumers.map((consumer) => consumer.close()), this.#running.seeder?.close()])
    await this.#running.bus.close()
  }

  async #write(batch: UsageBatch): ReturnType<UsageLedger['write']> {
    try {
      const written = await this.#ledger.write(batch)
      this.counts.written += 1
      this.counts.events += written.inserted
      return written
    } catch (error) {
      this.counts[error instanceof RefusedBatchError ? 'setAside' : 'again'] += 1
      throw error
    }
  }

  async #upkeep(): Promise<void> {
    try {
      await ensureUsagePartitions(this.#database.pool)
    } catch (error) {
      // Events of a month without a partition go to the default one and move when it is made.
      this.#log.error({ err: error }, 'cannot make the partitions of the ledger ahead')
    }
    try {
      await tidyLedger(this.#database.pool, this.#retentionMonths)
    } catch (error) {
      this.#log.error({ err: error }, 'cannot drop what the ledger need not keep')
    }
  }

  async #raise(): Promise<void> {
    try {
      await raiseThresholds(this.#database)
    } catch (error) {
      this.#log.error({ err: error }, 'cannot tell of the quotas that were reached')
    }
  }
}
