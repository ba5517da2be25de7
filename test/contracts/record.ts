/**
 * `npm run record-contracts`: writes down what the processes of this version send each other, into `recordings/<version>`, so
 * that later versions can be held to it. To be run once, for a release.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as contracts from '@apigate/contracts'
import { createLogger, openWebhookQueue } from '@apigate/platform'
import { startFakeUpstream, waitFor } from '@apigate/testing'
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { startChaosSystem, type ChaosSystem } from '../chaos/system.ts'

const root = path.resolve(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const folder = path.join(import.meta.dirname, 'recordings', version)
const dir = mkdtempSync(path.join(os.tmpdir(), 'apigate-record-'))
const log = createLogger({ name: 'record', level: 'error' })
const { change, workerStatus, usageMark, explain, snapshotBucket, snapshotPointerKey } = contracts.subjects

function write(name: string, value: unknown): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`)
}

const isNoLock = (file: string): boolean => path.basename(file) !== 'lock'

/** One of each resource, with all that it can have. */
async function configure(system: ChaosSystem, upstreamUrl: string): Promise<{ key: string }> {
  const admin: ChaosSystem['admin'] = (...request) => system.admin(...request)
  const { data: plan } = await admin('POST', '/api/plans', {
    ...{ id: 'plan_all', name: 'All', rate_limit_per_minute: 6_000, burst: 100, requests_per_month: 1_000 },
    ...{ quota_mode: 'soft', quota_grace_percent: 5, overage_price: 2 },
  })
  const { data: user } = await admin('POST', '/api/users', { id: 'usr_all', email: 'a@example.com', plan_id: plan.id })
  await admin('POST', '/api/groups', { id: 'grp_all', name: 'All', slug: 'all', owner_id: user.id, plan_id: plan.id })
  await admin('POST', '/api/api-keys', { id: 'key_group', group_id: 'grp_all', expires_at: '2999-01-01T00:00:00Z' })
  await admin('POST', '/api/api-keys', { id: 'key_scoped', scopes: ['meter:write'] })
  const { data: key } = await admin('POST', '/api/api-keys', { id: 'key_user', user_id: user.id })
  await admin('POST', '/api/upstreams', {
    ...{ id: 'ups_all', name: 'all', base_url: upstreamUrl, targets: [{ url: upstreamUrl, weight: 2 }], retries: 2 },
    ...{ auth_type: 'bearer', auth_value: 'secret', health_check: { path: '/health', interval_ms: 60_000 } },
  })
  await admin('POST', '/api/routes', {
    ...{ id: 'rte_all', name: 'all', path_pattern: '/v1/{name}/*', path_rewrite: '/$1', upstream_id: 'ups_all' },
    ...{ host_pattern: '127.0.0.1', methods: ['GET', 'POST'], priority: 3, metering_expr: 'responseBytes + 1' },
    headers: [{ name: 'X-All', match: 'present' }],
    request_transform: { headers: { set: { 'X-Plan': '${plan_id}' } }, body: { set: { user: '${user_id}' } } },
    response_transform: { body: { mask: ['secret'], wrap: 'data' } },
  })
  await admin('POST', '/api/routes', {
    id: 'rte_regex',
    name: 'regex',
    path_pattern: '/r/[a-z]+',
    match_type: 'regex',
    upstream_id: 'ups_all',
  })
  return { key: key.meta.key }
}

async function record(system: ChaosSystem): Promise<void> {
  const upstream = await startFakeUpstream()
  const messages: Record<string, unknown[]> = {}
  const nats = await connect({ servers: new URL(system.natsUrl).host })
  for (const subject of ['apigate.>', `$KV.${snapshotBucket}.${snapshotPointerKey}`]) {
    nats.subscribe(subject, {
      callback: (_error, message) => {
        const name = [change, workerStatus, usageMark, explain].find((each) => message.subject.startsWith(each))
        ;(messages[name ?? snapshotPointerKey] ??= []).push(message.json())
      },
    })
  }
  const [proxy] = system.proxies
  try {
    const { key } = await configure(system, upstream.url)
    const ask = () => fetch(`${proxy!.url}/v1/x/y`, { headers: { 'x-api-key': key, 'x-all': '1' } })
    await waitFor(async () => (await ask()).status === 200)
    const request = { url: '/v1/x/y', headers: { 'X-All': '1' }, api_key_id: 'key_user', worker: 'proxy-1' }
    const inbox = nats.subscribe('_INBOX.>')
    await system.admin('POST', '/api/explain', request)
    for await (const message of inbox) {
      // Acknowledgements of others.
      if (!message.string().startsWith('{')) continue
      const value = message.json<{ worker?: string; refusal?: unknown }>()
      if (value.worker === undefined || value.refusal === undefined) continue
      messages['explanation'] = [value]
      break
    }
    await waitFor(() => messages[usageMark])

    // A feed that has lost its snapshot gets one of today, and workers copy it.
    await nats.request(`$JS.API.STREAM.DELETE.KV_${snapshotBucket}`)
    const copy = path.join(dir, 'proxy-1', 'snapshot.v1')
    const isWhole = (): boolean => {
      const [line] = readFileSync(copy, 'latin1').split('\n', 1)
      return JSON.parse(line ?? '').revision >= (messages[change]?.length ?? 0)
    }
    await waitFor(isWhole, { timeoutMs: 30_000, what: 'a snapshot of everything' })

    // Nobody takes jobs out of the queue now.
    const jobs = system.parts.filter(({ name }) => name.startsWith('jobs'))
    for (const part of jobs) part.pause()
    for (let n = 0; n < 3; n++) await ask()
    await fetch(`${proxy!.url}/nothing`)
    const redis = new Redis(system.redisUrl)
    const queue = openWebhookQueue({ databaseUrl: null, natsUrl: null, redisUrl: system.redisUrl }, log)
    await waitFor(() =>
      queue
        .add([{ id: 'whd_1_1', data: { v: 1, webhook: 'whk_1', atOnce: 4, deliveries: [{ id: 'whd_1', lease: 1 }] } }])
        .then(() => true),
    )
    const jobsOf = async (name: string): Promise<unknown[]> => {
      const keys = await redis.keys(`apigate:${name}:*`)
      const kept: unknown[] = []
      for (const each of keys.toSorted()) {
        if ((await redis.type(each)) === 'hash' && (await redis.hexists(each, 'data'))) {
          kept.push(JSON.parse((await redis.hget(each, 'data')) ?? 'null'))
        }
      }
      return kept
    }
    await waitFor(async () => (messages['usage-batch.v2'] = await jobsOf(contracts.queues.usage)).length > 0)
    messages['webhook-slice.v1'] = await jobsOf(contracts.queues.webhooks)
    await queue.close()
    redis.disconnect()

    // What a worker leaves on its disk is for the next version, too.
    await system.parts.find(({ name }) => name === 'proxy-1')!.kill()
    for (const file of ['snapshot.v1', 'spool']) {
      cpSync(path.join(dir, 'proxy-1', file), path.join(folder, 'worker', file), { recursive: true, filter: isNoLock })
    }
    for (const part of jobs) part.resume()
  } finally {
    await nats.close()
    await upstream.close()
  }
  for (const [name, values] of Object.entries(messages)) write(`${name}.json`, values.slice(0, 20))
  const schemas = Object.entries(contracts).filter(([name]) => name.endsWith('Schema'))
  write(
    'schemas.json',
    Object.fromEntries(
      schemas.map(([name, schema]) => [
        name,
        z.toJSONSchema(schema as z.ZodType, { unrepresentable: 'any', io: 'input' }),
      ]),
    ),
  )
}

rmSync(folder, { recursive: true, force: true })
// Of nothing that lasts: whoever reads the recordings must be able to open them.
const encryptionKey = Buffer.alloc(32).toString('base64')
const system = await startChaosSystem(dir, { encryptionKey })
try {
  await record(system)
} finally {
  await system.stop()
  rmSync(dir, { recursive: true, force: true })
}
process.exit(0)
