import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import type { Redis } from 'ioredis'
import type { Logger } from '../../logger.ts'
import { exchangeScript } from './limits.lua.ts'
import { limitNames, openRedis, type LimitNames } from './redis.client.ts'

type Script = (...args: (string | number)[]) => Promise<number[]>

/** The shared limits in Redis: every exchange is one call of one script. */
export class RedisLimitStore implements LimitStore {
  readonly #redis: Redis & { apigateExchange: Script }
  readonly #names: LimitNames

  /** @param timeoutMs a slower answer counts as none. */
  constructor(url: string, namespace: string | undefined, timeoutMs: number, log: Logger) {
    this.#names = limitNames(namespace)
    const redis = openRedis(url, 'apigate-limits', log, { commandTimeout: timeoutMs, enableAutoPipelining: true })
    redis.defineCommand('apigateExchange', { numberOfKeys: 3, lua: exchangeScript })
    this.#redis = redis as Redis & { apigateExchange: Script }
  }

  async exchange({ ownerId, key, quota }: LimitCall): Promise<LimitReply> {
    const [
      taken = 0,
      leased = 0,
      window = 0,
      level = 0,
      state,
      unitsTaken = 0,
      unitsLeased = 0,
      count = 0,
      bornMs = 0,
    ] = await this.#redis.apigateExchange(
      this.#names.bucket(ownerId, key?.id ?? ''),
      this.#names.count(ownerId, quota?.period ?? ''),
      this.#names.asked,
      ...keyArguments(key),
      ...quotaArguments(ownerId, quota),
    )
    return {
      key: key === null ? null : { taken, leased, window, level },
      quota: state === 1 ? { grant: { taken: unitsTaken, leased: unitsLeased, count }, bornMs } : null,
    }
  }

  async ping(): Promise<void> {
    await this.#redis.ping()
  }

  close(): Promise<void> {
    this.#redis.disconnect()
    return Promise.resolve()
  }
}

function keyArguments(key: LimitCall['key']): number[] {
  if (key === null) return [0, 0, 0, 0, 0, 0, 0, 0]
  const { capacity, ratePerMinute, spentAgoMs, debt, take, ahead, reports } = key.ask
  const told = reports.flatMap(({ window, spent, unspent }) => [window, spent, unspent])
  return [1, capacity, ratePerMinute, spentAgoMs, Math.floor(debt), take, ahead, reports.length, ...told]
}

function quotaArguments(ownerId: string, quota: LimitCall['quota']): (string | number)[] {
  if (quota === null) return [0, 0, 0, 0, 0, '']
  const { limit, give, take, ahead } = quota.ask
  return [1, limit === Infinity ? -1 : limit, give, take, ahead, `${ownerId} ${quota.period}`]
}
