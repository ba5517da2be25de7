import { createPostgresBackend, createRedisBackend, type BackendFactory, type IQueueBackend } from 'bullmq'
import { backoffMs } from '../retry.ts'
import type { TransportConfig } from '../transport.ts'

/** What BullMQ's classes take to reach Redis or, without `redisUrl`, PostgreSQL. */
export interface QueueBackend {
  options: { connection: object; prefix?: string }
  factory: BackendFactory<IQueueBackend, object>
}

/** For adding jobs: every call fails within seconds while the queue is away, instead of being kept in memory. */
export function producerBackend(config: TransportConfig): QueueBackend {
  const options = { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 4_000 }
  return config.redisUrl === null ? onPostgres(config) : onRedis(config, config.redisUrl, options)
}

/** For running jobs: waits for the queue as long as it takes. */
export function consumerBackend(config: TransportConfig): QueueBackend {
  return config.redisUrl === null
    ? onPostgres(config)
    : onRedis(config, config.redisUrl, { maxRetriesPerRequest: null })
}

function onRedis(config: TransportConfig, url: string, options: Record<string, unknown>): QueueBackend {
  return {
    options: {
      connection: { url, connectTimeout: 5_000, keepAlive: 10_000, retryStrategy: backoffMs, ...options },
      prefix: config.namespace ? `apigate-${config.namespace}` : 'apigate',
    },
    factory: createRedisBackend,
  }
}

function onPostgres(config: TransportConfig): QueueBackend {
  if (config.databaseUrl === null) throw new Error('the usage queue needs a Redis or a PostgreSQL URL')
  const connection = {
    connectionString: config.databaseUrl,
    migrate: true,
    max: 4,
    connectionTimeoutMillis: 3_000,
    query_timeout: 30_000,
    keepAlive: true,
  }
  return { options: { connection }, factory: createPostgresBackend as BackendFactory<IQueueBackend, object> }
}
