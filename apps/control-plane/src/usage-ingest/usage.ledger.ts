import type { UsageBatch, UsageEvent, UsageMark } from '@apigate/contracts'
import { RefusedBatchError } from '@apigate/platform'
import { DatabaseError } from 'pg'
import type { Database } from '../persistence/index.ts'
import { copyBatches, rangesOf, type BatchRow } from './usage.copy.ts'
import { ingestStatement, meterStatement, refuseStatement, rowsSeparator } from './usage.ledger.sql.ts'
import { raiseThresholds } from './usage.thresholds.ts'

interface IngestRow extends BatchRow {
  is_sound: boolean
  inserted: number
}

/** An event that did not come by a worker. Its id is unique for ever: a repeat is recognised by it. */
export type MeteredEvent = Pick<
  UsageEvent,
  | 'id'
  | 'created_at'
  | 'user_id'
  | 'group_id'
  | 'api_key_id'
  | 'plan_id'
  | 'route_id'
  | 'method'
  | 'path'
  | 'status_code'
  | 'metered_units'
  | 'request_id'
>

const deadlockDetected = '40P01'
const attemptsMax = 5
/**
 * SQLSTATE classes that are the data's fault: data exception, program limit exceeded. Not constraint violation: a missing
 * value or partition would be one, and what an event may not hold is asked before.
 */
const dataFaultClasses = new Set(['22', '54'])
const refusedTextMax = 100_000

/** More at once would wait for each other's rows of sums. */
const statementsAtOnce = 2
const batchesInStatement = 64
/** Fewer wait for the statement that runs: their sums cost nearly as much as those of many. */
const batchesBesideMin = 16
/** Fewer events are one statement, which goes to the server once; a copy goes there five times. */
const copiedEventsMin = 500

interface Written {
  inserted: number
  mark: UsageMark
}

interface Waiting {
  batch: UsageBatch
  resolve: (written: Written | null) => void
  reject: (error: unknown) => void
}

/** Usage events with their sums, quota counts and worker marks in PostgreSQL. */
export class UsageLedger {
  readonly #database: Database
  readonly #copiedEventsMin: number
  readonly #waiting: Waiting[] = []
  #statements = 0

  /** @param eventsMin so many events that wait together are copied. */
  constructor(database: Database, eventsMin = copiedEventsMin) {
    this.#database = database
    this.#copiedEventsMin = eventsMin
  }

  /**
   * Writes a batch. What the ledger has already is left out, so that a repeat changes nothing. An event with values that no
   * event can have is set aside by itself, in `usage_refused`, and marked like the others.
   *
   * @returns how many events were new (of batches that were written together: told with one of them), and what the worker
   * may now forget.
   * @throws RefusedBatchError when the text is not the rows of the events `first`..`last`, one each. Any other error is the database's,
   * and the batch may be tried again.
   */
  async write(batch: UsageBatch): Promise<Written> {
    const written = await this.#insert(batch)
    if (written !== null) return written
    const rows = rowsOf(batch)
    if (rows.length === 1) return this.#refuse(batch, rows[0]!)
    // Some of them are unsound: halves find out which.
    const middle = rows.length >> 1
    const [left, right] = [rows.slice(0, middle), rows.slice(middle)]
    const before = await this.write({ ...batch, last: batch.first + middle - 1, rows: left.join('\n') })
    const after = await this.write({ ...batch, first: batch.first + middle, rows: right.join('\n') })
    return { inserted: before.inserted + after.inserted, mark: after.mark }
  }

  /**
   * Writes events that did not come by a worker.
   *
   * @returns the ids of those that are new.
   */
  async meter(events: readonly MeteredEvent[]): Promise<Set<string>> {
    const { rows } = await this.#database.pool.query<{ fresh: string[]; is_to_raise: boolean }>(meterStatement, [
      JSON.stringify(events),
    ])
    if (rows[0]?.is_to_raise) await this.#raise()
    return new Set(rows[0]?.fresh)
  }

  /** Null when something in it is not sound. Batches that come while others are being written go together in one statement. */
  #insert(batch: UsageBatch): Promise<Written | null> {
    return new Promise((resolve, reject) => {
      // Only the ledger itself puts batches together.
      if (batch.rows.includes(rowsSeparator)) return resolve(null)
      this.#waiting.push({ batch, resolve, reject })
      void this.#writeWaiting()
    })
  }

  async #writeWaiting(): Promise<void> {
    const batchesMin = this.#statements === 0 ? 1 : batchesBesideMin
    if (this.#statements === statementsAtOnce || this.#waiting.length < batchesMin) return
    this.#statements += 1
    const group = this.#waiting.splice(0, batchesInStatement).toSorted(byNumbers)
    try {
      const written = await this.#writeGroup(group.map(({ batch }) => batch))
      for (const [n, { resolve }] of group.entries()) resolve(written[n] ?? null)
    } catch (error) {
      for (const { reject } of group) reject(error)
    } finally {
      this.#statements -= 1
      void this.#writeWaiting()
    }
  }

  /** Copies what can be copied. */
  async #writeGroup(group: readonly UsageBatch[]): Promise<(Written | null)[]> {
    const events = group.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    if (events < this.#copiedEventsMin) return this.#insertGroup(group)
    const copied = await copyBatches(this.#database, group)
    if ([...copied.values()].some(({ is_to_raise }) => is_to_raise)) await this.#raise()
    const others = group.filter((batch) => !copied.has(batch))
    const inserted = others.length === 0 ? [] : await this.#insertGroup(others)
    return group.map((batch) => {
      const { worker, epoch, first, last } = batch
      const row = copied.get(batch)
      if (row === undefined) return inserted[others.indexOf(batch)] ?? null
      return { inserted: last - first + 1, mark: markOf(worker, epoch, row) }
    })
  }

  async #insertGroup(group: readonly UsageBatch[], attempt = 1): Promise<(Written | null)[]> {
    let rows: IngestRow[]
    try {
      const values = [group.map((batch) => batch.rows).join(rowsSeparator), ...rangesOf(group)]
      ;({ rows } = await this.#database.pool.query<IngestRow>({ name: 'ingest-usage', text: ingestStatement, values }))
    } catch (error) {
      // COPY writes the events of one partition after the other: it met those of another session in another order.
      if (error instanceof DatabaseError && error.code === deadlockDetected && attempt < attemptsMax)
        return this.#insertGroup(group, attempt + 1)
      if (!(error instanceof DatabaseError) || !dataFaultClasses.has(error.code?.slice(0, 2) ?? '')) throw error
      if (group.length === 1) return [null]
      // One of them is at fault: each by itself.
      const alone: (Written | null)[] = []
      for (const batch of group) alone.push(...(await this.#insertGroup([batch])))
      return alone
    }
    if (rows.some(({ is_to_raise }) => is_to_raise)) await this.#raise()
    // What is new in all of them is told with the first that was written.
    const firstSound = rows.findIndex(({ is_sound }) => is_sound)
    return rows.map((row, n) =>
      row.is_sound
        ? { inserted: n === firstSound ? row.inserted : 0, mark: markOf(group[n]!.worker, group[n]!.epoch, row) }
        : null,
    )
  }

  /** The events are in the ledger: what cannot be told now, the jobs process tells within a minute. */
  async #raise(): Promise<void> {
    await raiseThresholds(this.#database).catch(() => {})
  }

  async #refuse({ worker, epoch, first }: UsageBatch, row: string): Promise<Written> {
    // As ASCII: what PostgreSQL refuses in the row, it must take here.
    const text = row
      .replaceAll(/[^\u0020-\u007e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .slice(0, refusedTextMax)
    const reason = 'holds values that an event cannot have'
    const { rows } = await this.#database.pool.query<Pick<BatchRow, 'mark_first' | 'mark_last'>>(refuseStatement, [
      worker,
      epoch,
      first,
      reason,
      text,
    ])
    return { inserted: 0, mark: markOf(worker, epoch, rows[0]!) }
  }
}

function byNumbers({ batch: a }: Waiting, { batch: b }: Waiting): number {
  if (a.worker !== b.worker) return a.worker < b.worker ? -1 : 1
  return a.epoch - b.epoch || a.first - b.first
}

function markOf(worker: string, epoch: number, row: Pick<BatchRow, 'mark_first' | 'mark_last'>): UsageMark {
  return { v: 1, worker, epoch, first: Number(row.mark_first), seq: Number(row.mark_last) }
}

/** @throws RefusedBatchError when they are not one row for each number, in order. */
function rowsOf({ worker, epoch, first, last, rows: text }: UsageBatch): string[] {
  const rows = text.split('\n')
  if (rows.length === last - first + 1 && rows.every((row, n) => row.startsWith(`(${first + n},`))) return rows
  throw new RefusedBatchError(`usage batch ${worker}_${epoch}_${first} is not the events ${first} to ${last}`)
}
