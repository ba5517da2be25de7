import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import type { Redis } from 'ioredis'
import type { Logger } from '../../logger.ts'
import { exchangeScript, type LimitArguments, type LimitResults } from './limits.lua.ts'
import { limitNames, openRedis, type LimitNames } from './redis.client.ts'

interface Scripted {
  apigateExchange(keyCount: number, ...keysAndAsks: string[]): Promise<string>
}

interface Waiting {
  readonly call: LimitCall
  readonly resolve: (reply: LimitReply) => void
  readonly reject: (error: unknown) => void
}

/** Nothing else runs in Redis meanwhile: about a millisecond. */
const callsMax = 100

/** The shared limits in Redis: all exchanges of a turn of the event loop are one call of one script. */
export class RedisLimitStore implements LimitStore {
  readonly #redis: Redis & Scripted
  readonly #names: LimitNames
  readonly #timeoutMs: number
  #waiting: Waiting[] = []

  /** @param timeoutMs a slower answer counts as none. */
  constructor(url: string, namespace: string | undefined, timeoutMs: number, log: Logger) {
    this.#names = limitNames(namespace)
    this.#timeoutMs = timeoutMs
    const redis = openRedis(url, 'apigate-limits', log)
    redis.defineCommand('apigateExchange', { lua: exchangeScript })
    this.#redis = redis as Redis & Scripted
  }

  exchange(call: LimitCall): Promise<LimitReply> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(this.#sendAll)
      this.#waiting.push({ call, resolve, reject })
    })
  }

  async ping(): Promise<void> {
    await inTime(this.#redis.ping(), this.#timeoutMs)
  }

  close(): Promise<void> {
    this.#redis.disconnect()
    return Promise.resolve()
  }

  readonly #sendAll = (): void => {
    const all = this.#waiting
    this.#waiting = []
    for (let start = 0; start < all.length; start += callsMax) void this.#send(all.slice(start, start + callsMax))
  }

  async #send(waiting: Waiting[]): Promise<void> {
    try {
      const keys = [this.#names.asked]
      const asks: LimitArguments[] = []
      for (const { call } of waiting) {
        const { ownerId, key, quota } = call
        keys.push(this.#names.bucket(ownerId, key?.id ?? ''), this.#names.count(ownerId, quota?.period ?? ''))
        asks.push([tokenArguments(key), unitArguments(ownerId, quota)])
      }
      const answer = this.#redis.apigateExchange(keys.length, ...keys, JSON.stringify(asks))
      const results = JSON.parse(await inTime(answer, this.#timeoutMs)) as LimitResults[]
      for (const [i, { call, resolve }] of waiting.entries()) resolve(replyOf(call, results[i]!))
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}

/** The timers of a busy worker run before it reads what has arrived meanwhile: that is looked at first. */
function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(new Error(`Redis has not answered within ${timeoutMs} ms`))
    const timer = setTimeout(() => setImmediate(refuse), timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function tokenArguments(key: LimitCall['key']): LimitArguments[0] {
  if (key === null) return []
  const { capacity, ratePerMinute, spentAgoMs, debt, take, ahead, reports } = key.ask
  const told = reports.flatMap(({ window, spent, unspent }) => [window, spent, unspent])
  return [capacity, ratePerMinute, spentAgoMs, Math.floor(debt), take, ahead, ...told]
}

function unitArguments(ownerId: string, quota: LimitCall['quota']): LimitArguments[1] {
  if (quota === null) return []
  const { limit, give, take, ahead } = quota.ask
  return [`${ownerId} ${quota.period}`, limit === Infinity ? -1 : limit, give, take, ahead]
}

function replyOf({ key }: LimitCall, results: LimitResults): LimitReply {
  const [taken, leased, window, level, state, unitsTaken, unitsLeased, count, bornMs] = results
  return {
    key: key === null ? null : { taken, leased, window, level },
    quota: state === 1 ? { grant: { taken: unitsTaken, leased: unitsLeased, count }, bornMs } : null,
  }
}
