import pino, { type DestinationStream, type Logger } from 'pino'
import { currentLogFields } from './log.scope.ts'
import { currentTracing } from './telemetry/tracing.ts'

export type { Logger, DestinationStream as LogDestination }

export interface LoggerOptions {
  /** The process, e.g. `api`, `jobs`, `proxy`; in every line. */
  name: string
  /** `trace` … `fatal`, or `silent`. */
  level: string
  /** Where lines go; stdout unless given. */
  destination?: DestinationStream | undefined
}

const censor = '[redacted]'

/** Fields whose value is a secret at whatever depth, compared without case, `-` and `_`. */
const secretNames = [
  ...['authorization', 'proxy-authorization', 'x-api-key', 'cookie', 'set-cookie', 'x-csrf-token'],
  ...['password', 'password_hash', 'current_password', 'new_password'],
  ...['secret', 'secret_sealed', 'auth_value', 'auth_value_sealed', 'key', 'api_key', 'admin_key', 'encryption_key'],
  ...['token', 'access_token', 'csrf_token', 'token_digest', 'digest'],
]
const secretFields = new Set(secretNames.map(plain))

/**
 * Secrets that came in by another way, e.g. within an error's message: keys and webhook secrets, and passwords in URLs, which
 * are looked for backwards from an `@`. Every character is looked at a few times at most: a line holds what strangers have sent.
 */
const tokenShapes = /\b(ak_|whsec_|Bearer |Basic )[A-Za-z0-9+/=._~-]{16,}/g
const beforeAt = /(?<![^\s@"])[^\s@"]+@/g
const passwordOfUrl = /(:\/\/[^:/]*:).+@$/

const depthMax = 8

/** One JSON line an entry on stdout, with secrets replaced by `[redacted]`, and the ids of the request that it belongs to. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      mixin: () => ({ trace_id: currentTracing()?.active()?.traceId, ...currentLogFields() }),
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (object) => redact(object, 0) as Record<string, unknown>,
      },
      // A child's bindings pass no formatter (pino drops it in `child`), so they need paths.
      redact: { paths: secretNames.flatMap((field) => [`["${field}"]`, `*["${field}"]`]), censor },
      serializers: { err: (error: Error) => redact(pino.stdSerializers.err(error), 0) },
      hooks: { streamWrite: maskShapes },
    },
    options.destination ?? stdout(),
  )
}

/** All lines of a turn of the event loop in one write: for those that come by the thousand. */
export function stdoutByTurn(): DestinationStream {
  const destination = stdout()
  let lines = ''
  const flush = (): void => {
    destination.write(lines)
    lines = ''
  }
  return {
    write(line) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
  }
}

function stdout(): DestinationStream {
  return pino.destination({ fd: 1, sync: true })
}

/** What looks like a secret, within any text, replaced. */
export function maskShapes(line: string): string {
  const masked = line.replace(tokenShapes, `$1${censor}`)
  return masked.includes('://') ? masked.replace(beforeAt, maskPassword) : masked
}

function maskPassword(text: string): string {
  return text.replace(passwordOfUrl, `$1${censor}@`)
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error || value instanceof Date || ArrayBuffer.isView(value)) return value
  if (depth === depthMax) return '[too deep]'
  if (Array.isArray(value)) return value.map((entry) => redact(entry, depth + 1))
  const clean: Record<string, unknown> = {}
  for (const [field, entry] of Object.entries(value)) {
    const hide = entry !== null && entry !== undefined && secretFields.has(plain(field))
    clean[field] = hide ? censor : redact(entry, depth + 1)
  }
  return clean
}

function plain(field: string): string {
  return field.replace(/[-_]/g, '').toLowerCase()
}
