import pg from 'pg'

/** A small pool whose calls fail within seconds when PostgreSQL is away, and that outlives broken connections. */
export function openPool(databaseUrl: string, max: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max,
    connectionTimeoutMillis: 3_000,
    query_timeout: 30_000,
    keepAlive: true,
  })
  // A broken idle connection is replaced; without a listener the event would end the process.
  pool.on('error', () => {})
  return pool
}
