import type { QuotaPeriod } from '@apigate/contracts'
import type pg from 'pg'
import { openPool } from './pool.ts'

/**
 * Units that the ledger holds for each of these months, in their order.
 *
 * @throws when PostgreSQL is away.
 */
export async function readLedgerUnits(
  pool: Pick<pg.Pool, 'query'>,
  periods: readonly QuotaPeriod[],
): Promise<number[]> {
  const { rows } = await pool.query<{ units: string }>(
    `SELECT coalesce(held.metered_units, 0) AS units
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked(owner_id, period, n)
     LEFT JOIN usage_periods AS held ON held.owner_id = asked.owner_id AND held.period = (asked.period || '-01')::date
     ORDER BY n`,
    [periods.map(({ ownerId }) => ownerId), periods.map(({ period }) => period)],
  )
  return rows.map(({ units }) => Number(units))
}

/** The same from a connection of its own, for the worker of embedded mode. */
export class LedgerUnits {
  readonly #pool: pg.Pool

  constructor(databaseUrl: string) {
    this.#pool = openPool(databaseUrl, 1)
  }

  read(periods: readonly QuotaPeriod[]): Promise<number[]> {
    return readLedgerUnits(this.#pool, periods)
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}
