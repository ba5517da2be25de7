import { currentTracing, errorType, type OpenSpan } from '@apigate/platform'
import type pg from 'pg'

type Query = (...args: unknown[]) => unknown

/** Of a statement, which holds no values: they are parameters. */
const statementCharsMax = 1_000

/**
 * Tells what PostgreSQL is asked within a span. What nobody's work is (polls) has none.
 *
 * Seen are the calls that answer with a promise: of the pool, with the wait for a connection, and of clients that were taken out
 * of it. The pool's own, by callback, are part of the first.
 */
export function traceQueries(pool: pg.Pool, databaseUrl: string): void {
  const server = serverOf(databaseUrl)
  wrap(pool, server)
  pool.on('connect', (client) => wrap(client, server))
}

function wrap(target: { query: unknown }, server: Server): void {
  const query = target.query as Query
  target.query = function traced(this: unknown, ...args: unknown[]): unknown {
    const span = typeof args.at(-1) === 'function' ? null : startSpan(args[0], server)
    if (span === null) return query.apply(this, args)
    const result = query.apply(this, args)
    if (!(result instanceof Promise)) {
      span.end()
      return result
    }
    result.then(
      () => span.end(),
      (error: unknown) => {
        span.fail(errorType(error))
        span.end()
      },
    )
    return result
  }
}

function startSpan(statement: unknown, server: Server): OpenSpan | null {
  const tracing = currentTracing()
  if (tracing?.active()?.isSampled !== true) return null
  const { text = '', name } = typeof statement === 'string' ? { text: statement } : (statement as Statement)
  const summary = name ?? summaryOf(text)
  return tracing.start(summary, {
    kind: 'client',
    attributes: {
      'db.system.name': 'postgresql',
      'db.query.summary': summary,
      'db.query.text': text.slice(0, statementCharsMax),
      ...server,
    },
  })
}

interface Statement {
  text?: string
  /** Of a prepared statement. */
  name?: string
}

const words = /^\s*(\w+)/
const tables = /\b(?:FROM|INTO|UPDATE)\s+(?:"?public"?\.)?"?(\w+)"?/i

/** What is done, and to which table first: few values, whatever the statement. */
function summaryOf(text: string): string {
  return [words.exec(text)?.[1]?.toUpperCase(), tables.exec(text)?.[1]].filter(Boolean).join(' ') || 'query'
}

interface Server {
  'server.address': string | undefined
  'server.port': number | undefined
  'db.namespace': string | undefined
}

function serverOf(databaseUrl: string): Server {
  const url = URL.parse(databaseUrl)
  return {
    'server.address': url?.hostname || undefined,
    'server.port': Number(url?.port) || 5432,
    'db.namespace': url?.pathname.slice(1) || undefined,
  }
}
