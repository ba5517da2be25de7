import type { UsageBatch, UsageMark } from '@apigate/contracts'
import { RefusedBatchError } from '@apigate/platform'
import { DatabaseError } from 'pg'
import type { Database } from '../persistence/index.ts'
import { ingestStatement } from './usage.ledger.sql.ts'

interface IngestRow {
  is_sound: boolean
  inserted: number
  mark_first: string | null
  mark_last: string | null
}

/**
 * SQLSTATE classes that are the data's fault: data exception, program limit exceeded. Not constraint violation: a missing
 * value or partition would be one, and what an event may not hold is asked before.
 */
const dataFaultClasses = new Set(['22', '54'])

/** Usage events with their sums, quota counts and worker marks in PostgreSQL. */
export class UsageLedger {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Writes a batch, whole or not at all. What the ledger has already is left out, so that a repeat changes nothing.
   *
   * @returns how many events were new, and what the worker may now forget.
   * @throws RefusedBatchError when the text is not exactly the events `first`..`last` of this worker and epoch, or holds
   * values that an event cannot have. Any other error is the database's, and the batch may be tried again.
   */
  async write(batch: UsageBatch): Promise<{ inserted: number; mark: UsageMark }> {
    const { worker, epoch, first, last, events } = batch
    const name = `usage batch ${worker}_${epoch}_${first}`
    let row: IngestRow | undefined
    try {
      const { rows } = await this.#database.pool.query<IngestRow>({
        name: 'ingest-usage',
        text: ingestStatement,
        values: [events, worker, epoch, first, last],
      })
      row = rows[0]
    } catch (error) {
      if (error instanceof DatabaseError && dataFaultClasses.has(error.code?.slice(0, 2) ?? '')) {
        throw new RefusedBatchError(`${name} holds what PostgreSQL refuses: SQLSTATE ${error.code}`)
      }
      throw error
    }
    if (!row?.is_sound || row.mark_first === null || row.mark_last === null) {
      throw new RefusedBatchError(`${name} is not the events ${first} to ${last} with values in bounds`)
    }
    const mark: UsageMark = { v: 1, worker, epoch, first: Number(row.mark_first), seq: Number(row.mark_last) }
    return { inserted: row.inserted, mark }
  }
}
