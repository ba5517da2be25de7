import type { UsageBatch } from '@apigate/contracts'
import type { Logger } from '../logger.ts'
import { NatsConfigFeedReader } from './nats/config.feed.reader.ts'
import { NatsConfigFeedWriter } from './nats/config.feed.writer.ts'
import { NatsFleetBus } from './nats/fleet.bus.ts'
import { natsNames } from './nats/nats.names.ts'
import { PostgresConfigFeedReader } from './postgres/config.feed.reader.ts'
import { PostgresConfigFeedWriter } from './postgres/config.feed.writer.ts'
import { PostgresFleetBus } from './postgres/fleet.bus.ts'
import { UsageConsumer, type ConsumerOptions } from './queue/usage.consumer.ts'
import { BullUsageQueue } from './queue/usage.queue.ts'
import type {
  Closeable,
  ConfigFeedReader,
  ConfigFeedWriter,
  FleetBus,
  TransportConfig,
  UsageQueue,
} from './transport.ts'

export * from './transport.ts'
export { readChanges, readHead, type FeedPosition } from './postgres/change.log.ts'
export { RefusedBatchError } from './queue/refused.batch.error.ts'
export type { ConsumerOptions } from './queue/usage.consumer.ts'
export { backoffMs } from './retry.ts'

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

/** Runs `handler` for each batch until closed; see `UsageConsumer` for what happens when it fails. */
export function consumeUsageBatches(
  config: TransportConfig,
  log: Logger,
  handler: (batch: UsageBatch) => Promise<void>,
  options: ConsumerOptions,
): Closeable {
  return new UsageConsumer(config, log, handler, options)
}

function databaseUrl(config: TransportConfig): string {
  if (config.databaseUrl !== null) return config.databaseUrl
  throw new Error('without a NATS URL the transports need a PostgreSQL URL')
}
