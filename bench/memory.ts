import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { ConfigItem, RouteConfig } from '@apigate/core'
import { ConfigState } from '../apps/proxy/dist/tables/config.state.js'
import { clearKey } from './requests.ts'

/** What a worker's tables take when all of them are there: each scale in a process of its own, after its garbage is collected. */
const scales = {
  small: { routes: 10, keys: 1_000 },
  full: { routes: 100_000, keys: 1_000_000 },
}

const id = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, '0')}`
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

function* items({ routes, keys }: (typeof scales)['full']): Generator<ConfigItem> {
  yield {
    kind: 'plan',
    op: 'put',
    value: {
      ...{ id: 'plan_bench', name: 'bench', rateLimitPerMinute: 60, burst: null, requestsPerMonth: 0 },
      ...{ quotaMode: 'hard', quotaGracePercent: 0 },
    },
  }
  yield {
    kind: 'upstream',
    op: 'put',
    value: {
      ...{ id: 'ups_bench', name: 'bench', baseUrl: 'http://127.0.0.1:9', timeoutMs: 30_000, maxIdleConns: 100 },
      ...{ idleConnTimeoutMs: 90_000, authType: 'none', authHeader: null, authValueSealed: null, targets: [] },
      ...{ healthCheck: null, retries: 0, enabled: true },
    },
  }
  for (let n = 0; n < keys / 2; n++) {
    yield { kind: 'user', op: 'put', value: { id: id('usr', n), status: 'active', planId: 'plan_bench' } }
  }
  for (let n = 0; n < keys; n++) {
    const clear = clearKey(n)
    const digest = createHash('sha256').update(clear).digest('base64')
    const value = { id: id('key', n), digest, prefix: clear.slice(0, 12), userId: id('usr', n >> 1), groupId: null }
    yield { kind: 'key', op: 'put', value: { ...value, scopes: [], expiresAtMs: null, revokedAtMs: null } }
  }
  for (let n = 0; n < routes; n++) {
    // Through JSON, as it comes: no text is shared between routes.
    const route = {
      ...{ id: id('rte', n), name: `service ${n}`, hostPattern: `h${n % 1_000}.example.com`, hostMatch: 'exact' },
      ...{ pathPattern: `/api/service-${n}/*`, pathMatch: 'prefix', methods: ['GET', 'POST'], headers: [] },
      ...{ pathRewrite: null, methodOverride: null, meteringMode: 'request', meteringExpr: null, protocol: 'http' },
      ...{ priority: 0, authRequired: true, enabled: true, upstreamId: 'ups_bench', requestTransform: null },
      ...{ responseTransform: null, createdAtMs: 1_700_000_000_000 },
    }
    yield { kind: 'route', op: 'put', value: JSON.parse(JSON.stringify(route)) as RouteConfig }
  }
}

function measure(name: keyof typeof scales): void {
  const state = new ConfigState('bench', new Map(), { open: () => '' })
  for (const item of items(scales[name])) state.apply(item)
  state.compile()
  if (state.problem !== null) throw new Error(state.problem)
  const { keys } = state.tables(1)
  for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  process.stdout.write(JSON.stringify({ heapUsed, arrayBuffers, rss, keys: keys.byteLength }))
}

const [, , , scale] = process.argv
if (scale === 'small' || scale === 'full') measure(scale)
else {
  const measured = (['small', 'full'] as const).map((name) => {
    const args = ['--expose-gc', import.meta.filename, 'memory', name]
    return JSON.parse(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout) as Record<string, number>
  })
  const [small, full] = measured as [Record<string, number>, Record<string, number>]
  console.log('| MB | 10 routes, 1,000 keys | 100,000 routes, 1,000,000 keys of 500,000 users | more |')
  console.log('|---|---|---|---|')
  for (const part of Object.keys(full)) {
    console.log(
      `| ${part} | ${megabytes(small[part]!)} | ${megabytes(full[part]!)} | ${megabytes(full[part]! - small[part]!)} |`,
    )
  }
}
