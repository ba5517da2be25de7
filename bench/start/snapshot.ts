import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { ConfigItem } from '@apigate/core'
import type { ConfigFeedWriter } from '@apigate/platform'

type SnapshotPointer = Parameters<ConfigFeedWriter['putSnapshot']>[0]

/** As the publisher packs them. */
const chunkItems = 256
const epoch = 'bench'
const revision = 1
const id = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, '0')}`

/** A snapshot of so many keys, of half as many users, and routes, as the publisher would make it. */
export function packSnapshot(keys: number, routes: number): { pointer: SnapshotPointer; body: Uint8Array } {
  const users = Math.ceil(keys / 2)
  const packed: Buffer[] = [pack([{ v: 1, epoch, revision, atMs: 0, items: 2 + users + routes + keys }])]
  for (const table of [plans(), userItems(users), upstreams(), routeItems(routes), keyItems(keys)]) {
    let lines: ConfigItem[] = []
    for (const item of table) {
      if (lines.push(item) < chunkItems) continue
      packed.push(pack(lines))
      lines = []
    }
    if (lines.length > 0) packed.push(pack(lines))
  }
  const body = Buffer.concat(packed)
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { pointer: { v: 1, epoch, revision, sha256, bytes: body.length, atMs: 0 }, body }
}

function pack(lines: object[]): Buffer {
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { level: 1 })
}

function* plans(): Generator<ConfigItem> {
  yield {
    kind: 'plan',
    op: 'put',
    value: {
      ...{ id: 'plan_bench', name: 'bench', rateLimitPerMinute: 60, burst: null, requestsPerMonth: 0 },
      ...{ quotaMode: 'hard', quotaGracePercent: 0 },
    },
  }
}

function* userItems(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    yield { kind: 'user', op: 'put', value: { id: id('usr', n), status: 'active', planId: 'plan_bench' } }
  }
}

function* upstreams(): Generator<ConfigItem> {
  yield {
    kind: 'upstream',
    op: 'put',
    value: {
      ...{ id: 'ups_bench', name: 'bench', baseUrl: 'http://127.0.0.1:9', timeoutMs: 30_000, maxIdleConns: 100 },
      ...{ idleConnTimeoutMs: 90_000, authType: 'none', authHeader: null, authValueSealed: null, targets: [] },
      ...{ healthCheck: null, retries: 0, enabled: true },
    },
  }
}

function* routeItems(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    yield {
      kind: 'route',
      op: 'put',
      value: {
        ...{ id: id('rte', n), name: `service ${n}`, hostPattern: '', hostMatch: 'any', priority: 0 },
        ...{ pathPattern: `/api/service-${n}/*`, pathMatch: 'prefix', methods: ['GET', 'POST'], headers: [] },
        ...{ pathRewrite: null, methodOverride: null, meteringMode: 'request', meteringExpr: null, protocol: 'http' },
        ...{ authRequired: true, enabled: true, upstreamId: 'ups_bench', requestTransform: null },
        ...{ responseTransform: null, createdAtMs: 1_700_000_000_000 },
      },
    }
  }
}

function* keyItems(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    const digest = createHash('sha256').update(`key ${n}`).digest('base64')
    yield {
      kind: 'key',
      op: 'put',
      value: {
        ...{ id: id('key', n), digest, prefix: `ak_${String(n).padStart(9, '0')}`, userId: id('usr', n >> 1) },
        ...{ groupId: null, scopes: [], expiresAtMs: null, revokedAtMs: null },
      },
    }
  }
}
