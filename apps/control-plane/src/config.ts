import {
  createSealer,
  EnvReader,
  parseCidrs,
  parseReach,
  readTelemetry,
  type Reach,
  type TelemetrySettings,
} from '@apigate/platform'
import { isEmail } from 'class-validator'
import { passwordProblem } from './auth/password.rules.ts'

/** Settings of the control plane's two processes, read once at start. docs/settings.md lists them. */
export interface ControlPlaneConfig {
  databaseUrl: string
  natsUrl: string | null
  redisUrl: string | null
  host: string
  adminPort: number
  jobsStatusPort: number
  logLevel: string
  /** `ak_` + 64 hex: an admin key that is made on first start. */
  adminKey: string | null
  /** The admin account that is made on first start. */
  admin: { email: string; password: string } | null
  /** Where browsers reach the admin API besides the address that they name, e.g. `https://admin.example.com`. */
  publicOrigins: string[]
  /** 32 bytes, base64: seals upstream credentials and webhook secrets. */
  encryptionKey: string
  /** CIDRs of balancers whose `X-Forwarded-*` is believed. */
  trustedProxies: string[]
  /** Addresses and CIDRs that webhooks may be sent to although they are not public, and without TLS. */
  webhookAllow: string[]
  /** Where upstreams may be; null: anywhere. */
  upstreamReach: Reach | null
  /** A webhook that has failed for so long is disabled; 0: never. */
  webhookDisableDays: number
  /** How long deliveries are kept; 0: for ever. */
  webhookRetentionDays: number
  /** How long the audit trail is kept; 0: for ever. */
  auditRetentionDays: number
  /** Largest body of an admin request. */
  adminBodyBytesMax: number
  /** The same for `POST /api/operations`. */
  operationsBodyBytesMax: number
  /** Whole months of usage events and hourly sums that are kept besides the running one; 0: all. */
  usageRetentionMonths: number
  /** How long the process serves on after SIGTERM, so that balancers notice. */
  drainSeconds: number
  /** After that, how long running requests may take before they are cut off. */
  finishSeconds: number
  telemetry: TelemetrySettings
}

/** Of RFC 1918, 4193 and 6598, and loopback. Not link-local: that is where clouds keep their credentials. */
const privateNetworks = [
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '127.0.0.0/8'],
  ...['fc00::/7', '::1/128'],
]

/** @throws SettingsError naming every bad setting. */
export function loadConfig(source: Readonly<Record<string, string | undefined>> = process.env): ControlPlaneConfig {
  const env = new EnvReader(source)
  const config: ControlPlaneConfig = {
    databaseUrl: env.required('DATABASE_URL', 'a PostgreSQL URL ("npm start" brings its own database)'),
    natsUrl: env.optional('NATS_URL'),
    redisUrl: env.optional('REDIS_URL'),
    host: env.string('APIGATE_HOST', '127.0.0.1'),
    adminPort: env.integer('APIGATE_ADMIN_PORT', 8080, 0, 65535),
    jobsStatusPort: env.integer('APIGATE_JOBS_STATUS_PORT', 8081, 0, 65535),
    logLevel: env.oneOf('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
    adminKey: env.parsed('APIGATE_ADMIN_KEY', null, (text) => {
      if (!/^ak_[0-9a-f]{64}$/.test(text)) throw new Error('must be ak_ and 64 lower-case hex characters')
      return text
    }),
    admin: readAdmin(env),
    publicOrigins: env.parsed('APIGATE_PUBLIC_URL', [], parseOrigins),
    encryptionKey: env.required('APIGATE_ENCRYPTION_KEY', '32 random bytes in base64'),
    trustedProxies: env.parsed('APIGATE_TRUSTED_PROXIES', [], parseCidrs),
    webhookAllow: [
      ...env.parsed('APIGATE_WEBHOOK_ALLOW', [], parseCidrs),
      ...(env.boolean('APIGATE_WEBHOOK_ALLOW_PRIVATE', false) ? privateNetworks : []),
    ],
    upstreamReach: env.parsed('APIGATE_UPSTREAM_ALLOW', null, parseReach),
    webhookDisableDays: env.integer('APIGATE_WEBHOOK_DISABLE_DAYS', 5, 0, 365),
    webhookRetentionDays: env.integer('APIGATE_WEBHOOK_RETENTION_DAYS', 30, 0, 3_650),
    auditRetentionDays: env.integer('APIGATE_AUDIT_RETENTION_DAYS', 0, 0, 36_500),
    adminBodyBytesMax: env.integer('APIGATE_ADMIN_BODY_BYTES_MAX', 1_048_576, 1_024, 104_857_600),
    operationsBodyBytesMax: env.integer('APIGATE_OPERATIONS_BODY_BYTES_MAX', 16_777_216, 1_024, 104_857_600),
    usageRetentionMonths: env.integer('APIGATE_USAGE_RETENTION_MONTHS', 0, 0, 1_200),
    drainSeconds: env.integer('APIGATE_DRAIN_SECONDS', 10, 0, 3_600),
    finishSeconds: env.integer('APIGATE_FINISH_SECONDS', 15, 0, 3_600),
    telemetry: readTelemetry(env),
  }
  env.parsed('APIGATE_ENCRYPTION_KEY', null, createSealer)
  env.done()
  return config
}

function readAdmin(env: EnvReader): ControlPlaneConfig['admin'] {
  const email = env.parsed('APIGATE_ADMIN_EMAIL', null, (text) => {
    if (text.length > 254 || !isEmail(text)) throw new Error('must be an e-mail address of at most 254 characters')
    return text
  })
  const password = env.parsed('APIGATE_ADMIN_PASSWORD', null, (text) => {
    const problem = passwordProblem(text)
    if (problem !== null) throw new Error(problem)
    return text
  })
  if (env.optional('APIGATE_ADMIN_EMAIL') === null && env.optional('APIGATE_ADMIN_PASSWORD') === null) return null
  env.required('APIGATE_ADMIN_EMAIL', 'it goes with APIGATE_ADMIN_PASSWORD')
  env.required('APIGATE_ADMIN_PASSWORD', 'it goes with APIGATE_ADMIN_EMAIL')
  return email !== null && password !== null ? { email, password } : null
}

function parseOrigins(text: string): string[] {
  return text.split(',').map((part) => {
    const url = URL.parse(part.trim())
    const isOrigin = url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`
    if (!isOrigin) throw new Error('must be http or https URLs without a path, with commas between')
    return url.origin
  })
}

/** Settings of the migration job. */
export interface MigrateConfig {
  databaseUrl: string
  migrationsDir: string
  logLevel: string
}

/** @throws SettingsError naming every bad setting. */
export function loadMigrateConfig(source: Readonly<Record<string, string | undefined>> = process.env): MigrateConfig {
  const env = new EnvReader(source)
  const config: MigrateConfig = {
    databaseUrl: env.required('DATABASE_URL', 'a PostgreSQL URL'),
    // Where the image has them.
    migrationsDir: env.string('APIGATE_MIGRATIONS_DIR', 'migrations'),
    logLevel: env.oneOf('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
  }
  env.done()
  return config
}
