import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../../logger.ts'
import { backoffMs, throttled } from '../retry.ts'

/**
 * A connection that is made in the background, for ever. While it is away commands fail at once, and one whose answer is
 * lost is not sent again: it may have been done.
 */
export function openRedis(url: string, name: string, log: Logger, options: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    connectTimeout: 2_000,
    keepAlive: 10_000,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: backoffMs,
    ...options,
  })
  redis.on('error', throttled(log, 'warn', 'Redis is away'))
  return redis
}

export interface LimitNames {
  bucket(ownerId: string, keyId: string): string
  count(ownerId: string, period: string): string
  /** The list of counts that the ledger is asked for, `<owner> <period>` each. */
  asked: string
}

export function limitNames(namespace = ''): LimitNames {
  const prefix = namespace === '' ? 'apigate:limits' : `apigate-${namespace}:limits`
  return {
    bucket: (ownerId, keyId) => `${prefix}:rate:${ownerId}:${keyId}`,
    count: (ownerId, period) => `${prefix}:quota:${ownerId}:${period}`,
    asked: `${prefix}:asked`,
  }
}
