import { hostname } from 'node:os'
import { EnvReader, parseReach, readTelemetry, type Reach, type TelemetrySettings } from '@apigate/platform'
import type { LimitsFallback } from './limits/alone.limits.ts'
import { TrustedProxies } from './trusted-proxies.ts'

/** Settings of a proxy worker, read once at start. docs/settings.md lists them. */
export interface ProxyConfig {
  host: string
  proxyPort: number
  statusPort: number
  /** Holds the usage spool and the last good snapshot; one worker each. */
  dataDir: string
  /** Unique among the live workers; part of every usage event's id. */
  workerId: string
  trustedProxies: TrustedProxies
  /** Where upstreams may be; null: anywhere. */
  upstreamReach: Reach | null
  recordClientIp: boolean
  /** Of a JSON body that is transformed, as it comes and decoded. */
  transformBytesMax: number
  /** Usage that cannot be shipped is kept up to this; beyond it events are lost, and counted. */
  spoolBytesMax: number
  drainSeconds: number
  /** After draining, how long running answers may take before they are cut off. */
  finishSeconds: number
  /** 32 bytes, base64: opens upstream credentials. */
  encryptionKey: string
  natsUrl: string | null
  redisUrl: string | null
  /** Only for the embedded transports. */
  databaseUrl: string | null
  logLevel: string
  /** A line for each exchange. */
  accessLog: boolean
  /** `ietf`: the draft's headers too. */
  rateLimitHeaders: 'x' | 'ietf'
  /** What holds while the shared limits are away. */
  limitsFallback: LimitsFallback
  /** Redis slower than this counts as away. A request waits at most twice as long. */
  limitsTimeoutMs: number
  limits: WireLimits
  telemetry: TelemetrySettings
  /** Clients whose `traceparent` decides whether a request is traced. */
  traceClients: TrustedProxies
}

/** What a client may send, and how slowly. */
export interface WireLimits {
  headerBytesMax: number
  headersMax: number
  urlBytesMax: number
  headersTimeoutMs: number
  requestTimeoutMs: number
  keepAliveTimeoutMs: number
  /** How long it may take nothing of an answer that is there for it. */
  sendTimeoutMs: number
}

/** @throws SettingsError naming every bad setting. */
export function loadConfig(source: Readonly<Record<string, string | undefined>> = process.env): ProxyConfig {
  const env = new EnvReader(source)
  const natsUrl = env.optional('NATS_URL')
  const redisUrl = env.optional('REDIS_URL')
  const config: ProxyConfig = {
    host: env.string('APIGATE_HOST', '127.0.0.1'),
    proxyPort: env.integer('APIGATE_PROXY_PORT', 8000, 0, 65535),
    statusPort: env.integer('APIGATE_STATUS_PORT', 8001, 0, 65535),
    dataDir: env.string('APIGATE_DATA_DIR', '.data/worker'),
    workerId: env.parsed('APIGATE_WORKER_ID', workerIdOf(hostname()), parseWorkerId),
    trustedProxies: env.parsed('APIGATE_TRUSTED_PROXIES', new TrustedProxies([]), parseTrustedProxies),
    upstreamReach: env.parsed('APIGATE_UPSTREAM_ALLOW', null, parseReach),
    recordClientIp: env.boolean('APIGATE_RECORD_CLIENT_IP', true),
    transformBytesMax: env.integer('APIGATE_TRANSFORM_BYTES_MAX', 10_485_760, 1_024, 2 ** 28),
    spoolBytesMax: env.integer('APIGATE_SPOOL_BYTES_MAX', 4 * 2 ** 30, 2 ** 20, 2 ** 50),
    drainSeconds: env.integer('APIGATE_DRAIN_SECONDS', 10, 0, 3600),
    finishSeconds: env.integer('APIGATE_FINISH_SECONDS', 15, 0, 3600),
    encryptionKey: env.required('APIGATE_ENCRYPTION_KEY', '32 random bytes in base64, the control plane’s own'),
    natsUrl,
    redisUrl,
    databaseUrl:
      natsUrl === null || redisUrl === null
        ? env.required('DATABASE_URL', 'needed unless NATS_URL and REDIS_URL are both set')
        : null,
    logLevel: env.oneOf('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
    accessLog: env.boolean('APIGATE_ACCESS_LOG', false),
    rateLimitHeaders: env.oneOf('APIGATE_RATELIMIT_HEADERS', ['x', 'ietf'], 'x'),
    limitsFallback: env.oneOf('APIGATE_LIMITS_FALLBACK', ['local', 'open', 'closed'], 'local'),
    limitsTimeoutMs: env.integer('APIGATE_LIMITS_TIMEOUT_MS', 250, 10, 10_000),
    limits: {
      headerBytesMax: env.integer('APIGATE_HEADER_BYTES_MAX', 16_384, 1_024, 1_048_576),
      headersMax: env.integer('APIGATE_HEADERS_MAX', 100, 10, 2_000),
      urlBytesMax: env.integer('APIGATE_URL_BYTES_MAX', 8_192, 256, 1_048_576),
      headersTimeoutMs: env.integer('APIGATE_HEADERS_TIMEOUT_MS', 15_000, 100, 3_600_000),
      requestTimeoutMs: env.integer('APIGATE_REQUEST_TIMEOUT_MS', 300_000, 100, 86_400_000),
      keepAliveTimeoutMs: env.integer('APIGATE_KEEP_ALIVE_TIMEOUT_MS', 75_000, 100, 3_600_000),
      sendTimeoutMs: env.integer('APIGATE_SEND_TIMEOUT_MS', 60_000, 100, 3_600_000),
    },
    telemetry: readTelemetry(env),
    traceClients: env.parsed('APIGATE_TRACE_CLIENTS', new TrustedProxies([]), parseTrustedProxies),
  }
  env.done()
  return config
}

const workerIdShape = /^[A-Za-z0-9._-]{1,64}$/

function parseWorkerId(text: string): string {
  if (!workerIdShape.test(text)) throw new Error('must be 1 to 64 of A-Z a-z 0-9 . _ -')
  return text
}

function parseTrustedProxies(text: string): TrustedProxies {
  return new TrustedProxies(text.split(',').map((cidr) => cidr.trim()))
}

function workerIdOf(hostName: string): string {
  return hostName.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 64) || 'worker'
}
