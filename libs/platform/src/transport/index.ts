import type { LimitStore, UsageBatch, UsageBatchV1, WebhookSlice } from '@apigate/contracts'
import type { Logger } from '../logger.ts'
import { NatsConfigFeedReader } from './nats/config.feed.reader.ts'
import { NatsConfigFeedWriter } from './nats/config.feed.writer.ts'
import { NatsFleetBus } from './nats/fleet.bus.ts'
import { natsNames } from './nats/nats.names.ts'
import { PostgresConfigFeedReader } from './postgres/config.feed.reader.ts'
import { PostgresConfigFeedWriter } from './postgres/config.feed.writer.ts'
import { PostgresFleetBus } from './postgres/fleet.bus.ts'
import { LedgerUnits } from './postgres/ledger.units.ts'
import { JobConsumer, type ConsumerOptions } from './queue/job.consumer.ts'
import { JobProducer } from './queue/job.producer.ts'
import { usageJobs, usageJobsV1 } from './queue/usage.jobs.ts'
import { BullUsageQueue } from './queue/usage.queue.ts'
import { webhookJobOptions, webhookJobs } from './queue/webhook.jobs.ts'
import { RedisLimitStore } from './redis/limit.store.ts'
import { QuotaCounts, QuotaCountSeeder, type ReadUnits } from './redis/quota.counts.ts'
import type {
  Closeable,
  ConfigFeedReader,
  ConfigFeedWriter,
  FleetBus,
  TransportConfig,
  UsageQueue,
} from './transport.ts'

export * from './transport.ts'
export { readLedgerUnits, type LedgerUnits } from './postgres/ledger.units.ts'
export {
  itemBytesMax,
  partBytes,
  readChanges,
  readHead,
  trimChanges,
  type FeedPosition,
} from './postgres/change.log.ts'
export { RefusedBatchError } from './queue/refused.batch.error.ts'
export type { ConsumerOptions } from './queue/job.consumer.ts'
export type { JobProducer, NewJob } from './queue/job.producer.ts'
export type { QuotaCounts, QuotaCountSeeder, ReadUnits } from './redis/quota.counts.ts'
export { backoffMs, throttled } from './retry.ts'

/**
 * The one place where the transports are chosen: NATS when `natsUrl` is set, Redis when `redisUrl` is, else PostgreSQL. All
 * of them connect in the background and return at once; what they cannot reach they report, and try again for ever.
 */

export function openConfigFeedReader(config: TransportConfig, log: Logger): ConfigFeedReader {
  if (config.natsUrl === null) return new PostgresConfigFeedReader(databaseUrl(config), log)
  return new NatsConfigFeedReader(config.natsUrl, natsNames(config.namespace), log)
}

export function openConfigFeedWriter(config: TransportConfig, log: Logger): ConfigFeedWriter {
  if (config.natsUrl === null) return new PostgresConfigFeedWriter(databaseUrl(config))
  return new NatsConfigFeedWriter(config.natsUrl, natsNames(config.namespace), log)
}

export function openFleetBus(config: TransportConfig, log: Logger): FleetBus {
  if (config.natsUrl === null) return new PostgresFleetBus(databaseUrl(config), log)
  return new NatsFleetBus(config.natsUrl, natsNames(config.namespace), log)
}

export function openUsageQueue(config: TransportConfig, log: Logger): UsageQueue {
  return new BullUsageQueue(config, log)
}

/**
 * The limits that workers share; null without Redis, where the one worker keeps them in memory.
 *
 * @param timeoutMs after which an exchange fails.
 */
export function openLimitStore(config: TransportConfig, log: Logger, timeoutMs: number): LimitStore | null {
  return config.redisUrl === null ? null : new RedisLimitStore(config.redisUrl, config.namespace, timeoutMs, log)
}

/** The ledger's counts, for a worker that keeps the limits itself. */
export function openLedgerUnits(config: TransportConfig): LedgerUnits {
  return new LedgerUnits(databaseUrl(config))
}

/** Answers workers that ask for the ledger's count of a month; null without Redis, where nobody does. */
export function seedQuotaCounts(config: TransportConfig, log: Logger, readUnits: ReadUnits): QuotaCountSeeder | null {
  return config.redisUrl === null ? null : new QuotaCountSeeder(config.redisUrl, config.namespace, log, readUnits)
}

/** The shared counts, to add to; null without Redis, where the worker looks into the ledger. */
export function openQuotaCounts(config: TransportConfig, log: Logger): QuotaCounts | null {
  return config.redisUrl === null ? null : new QuotaCounts(config.redisUrl, config.namespace, log)
}

/** Runs `handler` for each batch until closed; see `usageJobs` for what happens when it fails. */
export function consumeUsageBatches(
  config: TransportConfig,
  log: Logger,
  handler: (batch: UsageBatch) => Promise<void>,
  options: ConsumerOptions,
): Closeable {
  return new JobConsumer(usageJobs, config, log, handler, options)
}

/** The same for those of workers that are older than this process. */
export function consumeUsageBatchesV1(
  config: TransportConfig,
  log: Logger,
  handler: (batch: UsageBatchV1) => Promise<void>,
  options: ConsumerOptions,
): Closeable {
  return new JobConsumer(usageJobsV1, config, log, handler, options)
}

export function openWebhookQueue(config: TransportConfig, log: Logger): JobProducer<WebhookSlice> {
  return new JobProducer(webhookJobs, webhookJobOptions, config, log)
}

/** Runs `handler` for each slice until closed, at least once; one that it throws for is not run again. */
export function consumeWebhookSlices(
  config: TransportConfig,
  log: Logger,
  handler: (slice: WebhookSlice) => Promise<void>,
  options: ConsumerOptions,
): Closeable {
  return new JobConsumer(webhookJobs, config, log, handler, options)
}

function databaseUrl(config: TransportConfig): string {
  if (config.databaseUrl !== null) return config.databaseUrl
  throw new Error('without a NATS URL the transports need a PostgreSQL URL')
}
