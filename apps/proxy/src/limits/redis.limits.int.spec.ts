import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { LimitStore } from '@apigate/contracts'
import { leaseWindowMs, type PlanConfig } from '@apigate/core'
import { createLogger, openLimitStore, openQuotaCounts, seedQuotaCounts, type TransportConfig } from '@apigate/platform'
import { aPlan, aRedisServer, testServers, waitFor, type ServerProcess } from '@apigate/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryStore } from '../../test/limits.fixture.ts'
import type { Owner } from '../tables/owner.table.ts'
import { LeasedLimits } from './leased.limits.ts'
import type { LimitedRequest } from './limits.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const owner = (id: string): Owner => ({ kind: 'user', id, status: 'active', planId: 'plan_1' })
const of = (plan: PlanConfig, ownerId: string, keyId = 'key_1'): LimitedRequest => ({
  ...{ owner: owner(ownerId), plan, keyId, receivedAtMs: Date.now() },
})
const transport = (redisUrl = testServers.redisUrl): TransportConfig => ({
  ...{ databaseUrl: null, natsUrl: null, redisUrl, namespace: `t${randomBytes(6).toString('hex')}` },
})
/** Patient: the machine of a test may be busy. */
const storeOf = (config: TransportConfig, timeoutMs = 5_000): LimitStore => openLimitStore(config, log, timeoutMs)!
const connected = (store: LimitStore): Promise<true> =>
  waitFor(() =>
    store.ping().then(
      () => true,
      () => false,
    ),
  ) as Promise<true>

describe('limits in Redis', () => {
  const config = transport()
  const stores: LimitStore[] = []
  const ledger = new Map<string, number>()
  const seeder = seedQuotaCounts(config, log, (periods) =>
    Promise.resolve(periods.map(({ ownerId }) => ledger.get(ownerId) ?? 0)),
  )!
  beforeAll(async () => {
    stores.push(...[1, 2, 3].map(() => storeOf(config)))
    for (const store of stores) await connected(store)
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
    await seeder.close()
  })

  test('the script does what the arithmetic of core does', async () => {
    let n = 0
    const step = fc.record({
      take: fc.nat(5),
      ahead: fc.nat(30),
      debt: fc.constantFrom(0, 0, 0, 90_000),
      spentAgoMs: fc.nat(20),
      spent: fc.nat(9),
      unspent: fc.nat(9),
      windowsBack: fc.nat(2),
      give: fc.integer({ min: -4, max: 4 }),
      unitsTake: fc.nat(3),
      unitsAhead: fc.nat(20),
    })
    const limit = fc.oneof(fc.nat(60), fc.constant(Infinity))
    const shape = [fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60_000 })] as const
    await fc.assert(
      fc.asyncProperty(...shape, limit, fc.array(step, { maxLength: 25 }), async (capacity, rate, max, steps) => {
        const ownerId = `usr_same_${(n += 1)}`
        let nowMs = 0
        const memory = memoryStore(() => nowMs)
        const asked = {
          ownerId,
          quota: { period: '2026-11', ask: { limit: 1, give: 0, take: 0, ahead: 0 } },
          key: null,
        }
        await waitFor(async () => (await stores[0]!.exchange(asked)).quota)
        memory.exchange(asked)
        for (const each of steps) {
          const exchangeWith = (window: number) => ({
            ownerId,
            key: {
              id: 'key_1',
              ask: {
                capacity,
                ratePerMinute: rate,
                reports: [{ window, spent: each.spent, unspent: each.unspent }],
                spentAgoMs: each.spentAgoMs,
                debt: each.debt,
                take: each.take,
                ahead: each.ahead,
              },
            },
            quota: {
              period: '2026-11',
              ask: { limit: max, give: each.give, take: each.unitsTake, ahead: each.unitsAhead },
            },
          })
          // Redis's clock is read from the bucket that it leaves; the memory then lives through the same moment.
          const window = Math.floor(Date.now() / leaseWindowMs) - each.windowsBack
          const reply = await stores[0]!.exchange(exchangeWith(window))
          nowMs = await bucketTime(config, ownerId)
          const same = memory.exchange(exchangeWith(window))
          expect(reply.key).toEqual(same.key)
          expect(reply.quota?.grant).toEqual(same.quota?.grant)
        }
      }),
      { numRuns: 40 },
    )
  })

  test('what a worker of before had leased in shorter windows is not out for ever', async () => {
    const atMs = Date.now() - 60_000
    const held = `level 0 at ${atMs} window ${Math.floor((2 * atMs) / leaseWindowMs)} out 6 before 4`
    await inRedis(config, `HSET apigate-${config.namespace}:limits:rate:usr_before:key_1 ${held}`)
    const ask = { ...{ capacity: 10, ratePerMinute: 600, reports: [], spentAgoMs: 0 }, debt: 0, take: 20, ahead: 0 }
    const reply = await stores[0]!.exchange({ ownerId: 'usr_before', key: { id: 'key_1', ask }, quota: null })
    expect(reply.key?.taken).toBe(10)
  })

  test('three workers that are asked for five times the limit admit it together, and no more', async () => {
    const plan = aPlan({ rateLimitPerMinute: 1_200, burst: 20, requestsPerMonth: 100_000 })
    const workers = stores.map((store) => limitsOn(store))
    const startedAtMs = performance.now()
    let admitted = 0
    let sent = 0
    while (performance.now() - startedAtMs < 2_000) {
      await Promise.all(
        workers.map(async (limits) => {
          sent += 1
          const reservation = await limits.reserve(of(plan, 'usr_three'))
          const { admitted: isAdmitted } = await limits.takeToken(of(plan, 'usr_three'))
          limits.settle(reservation, isAdmitted ? 1 : 0)
          if (isAdmitted) admitted += 1
        }),
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const allowed = 20 + ((performance.now() - startedAtMs) * 1_200) / 60_000
    expect(sent).toBeGreaterThan(1.5 * allowed)
    expect(admitted).toBeLessThanOrEqual(Math.ceil(allowed))
    expect(admitted).toBeGreaterThan(0.8 * allowed)
    await closeAll(workers)
  })

  test('three workers use a hard quota to the last unit, and not one more', async () => {
    const plan = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 500, quotaGracePercent: 10 })
    ledger.set('usr_quota', 50)
    const workers = stores.map((store) => limitsOn(store))
    let admitted = 0
    const one = async (limits: LeasedLimits): Promise<void> => {
      const reservation = await limits.reserve(of(plan, 'usr_quota'))
      if (!reservation.admitted) return
      admitted += 1
      limits.settle(reservation, 1)
    }
    await Promise.all(Array.from({ length: 900 }, (_, n) => one(workers[n % 3]!)))
    // What a worker still held when the others were refused comes back when its lease ends.
    await waitFor(async () => {
      await Promise.all(workers.map(one))
      return admitted >= 500
    })
    for (let n = 0; n < 30; n++) await Promise.all(workers.map(one))
    expect(admitted).toBe(500)
    await closeAll(workers)
  })

  test.each([
    ['that has them', 60],
    ['that has none of them yet', 0],
  ])('a count that Redis has lost is made again from a ledger %s, and no unit more is used', async (_, inLedger) => {
    const ownerId = `usr_lost_${inLedger}`
    const plan = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 150 })
    const workers = stores.map((store) => limitsOn(store))
    let admitted = 0
    const one = async (limits: LeasedLimits): Promise<boolean> => {
      const reservation = await limits.reserve(of(plan, ownerId))
      if (!reservation.admitted) return false
      admitted += 1
      limits.settle(reservation, 1)
      return true
    }
    for (let n = 0; n < 60; n++) await one(workers[n % 3]!)
    expect(admitted).toBe(60)
    ledger.set(ownerId, inLedger)
    await inRedis(
      config,
      `DEL apigate-${config.namespace}:limits:quota:${ownerId}:${new Date().toISOString().slice(0, 7)}`,
    )
    // What each worker still holds, and then what Redis has.
    await waitFor(async () => {
      const more = await Promise.all(workers.map(one))
      for (const limits of workers) limits.tick()
      return more.every((isAdmitted) => !isAdmitted)
    })
    expect(admitted).toBeLessThanOrEqual(150)
    // What is in the ledger and was used lately counts twice.
    expect(admitted).toBeGreaterThanOrEqual(150 - inLedger)
    await closeAll(workers)
  })

  test('units that come by another way count, and the ledger raises what Redis has missed', async () => {
    const plan = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 100 })
    const limits = limitsOn(stores[0]!)
    const used = async (): Promise<number> => {
      const reservation = await limits.reserve(of(plan, 'usr_added'))
      limits.settle(reservation, 0)
      return reservation.count!.used
    }
    expect(await used()).toBe(0)
    const counts = openQuotaCounts(config, log)!
    const period = new Date().toISOString().slice(0, 7)
    await waitFor(async () => {
      await counts.add([{ ownerId: 'usr_added', period, units: 7 }])
      limits.tick()
      return (await used()) >= 7
    })
    await counts.close()
    await closeAll([limits])
  })
})

function limitsOn(store: LimitStore): LeasedLimits {
  return new LeasedLimits({ store: unclosed(store), fallback: 'closed', workers: () => 3, log })
}

/** Shared by tests. */
function unclosed(store: LimitStore): LimitStore {
  return {
    exchange: (call) => store.exchange(call),
    ping: () => store.ping(),
    close: () => Promise.resolve(),
  }
}

async function closeAll(workers: LeasedLimits[]): Promise<void> {
  await Promise.all(workers.map((limits) => limits.close()))
}

/** When Redis last changed the bucket, on its clock. */
async function bucketTime(config: TransportConfig, ownerId: string): Promise<number> {
  const answer = await inRedis(config, `HGET apigate-${config.namespace}:limits:rate:${ownerId}:key_1 at`)
  return Number(answer.split('\r\n')[1])
}

/** Asks in Redis's own protocol, which needs no client. */
async function inRedis({ redisUrl }: TransportConfig, command: string): Promise<string> {
  const { hostname, port } = new URL(redisUrl!)
  const socket = connect(Number(port), hostname)
  socket.write(`${command}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer.toString()
}

describe('when Redis goes away', () => {
  let redis: ServerProcess
  beforeAll(async () => {
    redis = await aRedisServer()
    await redis.start()
  })
  afterAll(() => redis.remove())

  test('requests are decided at once by the worker alone, and by Redis again when it is back', async () => {
    const config = transport(redis.url)
    const store = storeOf(config, 1_000)
    await connected(store)
    const seeder = seedQuotaCounts(config, log, (periods) => Promise.resolve(periods.map(() => 0)))!
    const limits = new LeasedLimits({ store, fallback: 'local', workers: () => 2, log })
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 40, requestsPerMonth: 1_000 })
    const admitted = async (): Promise<boolean> => {
      const reservation = await limits.reserve(of(plan, 'usr_away'))
      limits.settle(reservation, reservation.admitted ? 1 : 0)
      return (await limits.takeToken(of(plan, 'usr_away'))).admitted
    }
    expect(await admitted()).toBe(true)
    expect(limits.breaker.isAway).toBe(false)
    await redis.kill()
    await waitFor(async () => (await admitted()) && limits.breaker.isAway)
    const results: boolean[] = []
    for (let n = 0; n < 60; n++) results.push(await admitted())
    expect(results.filter(Boolean).length).toBeLessThanOrEqual(40)
    expect(results.filter(Boolean).length).toBeGreaterThan(5)
    await redis.start()
    await waitFor(() => !limits.breaker.isAway, { timeoutMs: 15_000 })
    const callsBefore = limits.breaker.calls
    await waitFor(async () => {
      await admitted()
      return limits.breaker.calls > callsBefore
    })
    await limits.close()
    await seeder.close()
  })

  test('a Redis that is slow holds up who is waiting once, and after that nobody', async () => {
    const config = transport(redis.url)
    const store = storeOf(config, 100)
    await connected(store)
    const limits = new LeasedLimits({ store, fallback: 'local', workers: () => 1, log })
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 40 })
    redis.pause()
    try {
      const waiting = ['key_1', 'key_2', 'key_1'].map(async (keyId) => limits.takeToken(of(plan, 'usr_slow', keyId)))
      expect((await Promise.all(waiting)).every(({ admitted }) => admitted)).toBe(true)
      expect(limits.breaker.isAway).toBe(true)
      expect(limits.takeToken(of(plan, 'usr_slow', 'key_3'))).toMatchObject({ admitted: true })
    } finally {
      redis.resume()
    }
    await waitFor(() => !limits.breaker.isAway, { timeoutMs: 15_000 })
    await limits.close()
  })
})

test('an answer that came while the worker was busy is not late', async () => {
  const store = storeOf(transport(), 50)
  await connected(store)
  const ask = { capacity: 9, ratePerMinute: 60, reports: [], spentAgoMs: 0, debt: 0, take: 1, ahead: 0 }
  const reply = store.exchange({ ownerId: 'usr_busy', key: { id: 'key_1', ask }, quota: null })
  await new Promise((resolve) => setImmediate(resolve))
  for (const startedAtMs = performance.now(); performance.now() - startedAtMs < 400;);
  expect((await reply).key).toMatchObject({ taken: 1, level: 8 * 60_000 })
  await store.close()
})

test('a store that was never there is away within moments', async () => {
  const store = storeOf({ databaseUrl: null, natsUrl: null, redisUrl: 'redis://127.0.0.1:1' }, 250)
  const limits = new LeasedLimits({ store, fallback: 'local', workers: () => 1, log })
  const plan = aPlan({ rateLimitPerMinute: 60, burst: 2, requestsPerMonth: 10 })
  const reservation = await limits.reserve(of(plan, 'usr_never'))
  expect(reservation.admitted).toBe(true)
  expect((await limits.takeToken(of(plan, 'usr_never'))).admitted).toBe(true)
  await limits.close()
})
