import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { prepare } from '../test/chaos/chaos.ts'
import { Clients } from '../test/chaos/clients.ts'
import { startChaosSystem } from '../test/chaos/system.ts'

/**
 * Three workers on one Redis: what they admit together of 600 a minute with a burst of 10 when they are asked for five times as
 * much, beside what one bucket allows; and how many calls of Redis a key of 100 requests a second under a high limit costs.
 */
const seconds = Number(process.env['BENCH_SECONDS'] ?? 60)
const limit = { perSecond: 10, burst: 10 }

const dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-limits-'))
const upstream = createServer((_request, response) => response.end('small'))
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
const system = await startChaosSystem(dir)

async function calls(): Promise<number> {
  const texts = system.proxies.map(async ({ statusUrl }) => (await fetch(`${statusUrl}/metrics`)).text())
  const counts = (await Promise.all(texts)).map((text) =>
    Number(/apigate_limits_calls_total\{outcome="answered"\} (\d+)/.exec(text)?.[1] ?? Number.NaN),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** @returns answers by status, seconds, and calls of Redis. */
async function drive(
  name: string,
  ratePerSecond: number,
): Promise<{ ok: number; asked: number; seconds: number; calls: number }> {
  const clients = new Clients(system.proxies.map(({ url }) => url))
  const before = await calls()
  const startedAtMs = performance.now()
  clients.start([{ ...customers.find((customer) => customer.name === name)!, ratePerSecond }])
  await sleep(seconds * 1_000)
  await clients.stop()
  const took = (performance.now() - startedAtMs) / 1_000
  const answers = [...clients.attempts.values()]
  const ok = answers.filter(({ status }) => status === 200).length
  return { ok, asked: answers.length, seconds: took, calls: (await calls()) - before }
}

const { customers } = await prepare(system, `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
let isSound = false
try {
  // The bucket was tried before: it is full again.
  await sleep((limit.burst / limit.perSecond) * 1_000)
  const limited = await drive('limited', limit.perSecond * 5)
  const allowed = Math.floor(limit.burst + limit.perSecond * limited.seconds)
  console.log(`asked ${limited.asked} in ${limited.seconds.toFixed(1)} s: admitted ${limited.ok} of ${allowed} allowed`)
  console.log(`${((limited.ok / allowed) * 100).toFixed(1)} %; ${limited.calls} calls of Redis`)
  const busy = await drive('busy', 100)
  const perRequest = busy.calls / busy.ok
  console.log(
    `a key of 100 requests/s under a high limit: ${perRequest.toFixed(3)} calls of Redis per admitted request`,
  )
  isSound = limited.ok <= allowed && limited.ok >= allowed * 0.97
} finally {
  await system.stop()
  upstream.close()
  rmSync(dir, { recursive: true, force: true })
}
process.exit(isSound ? 0 : 1)
