import { usageBounds } from '@apigate/contracts'
import { afterSums, hoursOfInserted, sumsOfHours } from './usage.sums.sql.ts'

/** Between the rows of two batches; no row holds a control character. */
export const rowsSeparator = '\u001e'

const eventColumns = `
    id, created_at, user_id, group_id, api_key_id, plan_id, route_id, upstream_id, method, path, status_code, latency_ms,
    request_bytes, response_bytes, metered_units, error_code, metering_error, request_id, config_revision, client_ip,
    trace_id`

/**
 * Batches into the ledger, in one statement and so in one transaction and one round trip. Several at once, because the sums
 * of a busy key are then written once for all of them.
 *
 * Parameters: the batches' rows as they came, with `rowsSeparator` between batches, and an element for each batch: worker,
 * epoch, first, last. A row for each comes back, in their order: `is_sound` (false: nothing of it was written), the range of the worker's epoch that is in the
 * ledger around it, and of all of them `inserted` and `is_to_raise`.
 *
 * - What is counted is what was inserted (RETURNING), so that sums and events cannot part. Repeats are left out twice:
 *   by `seen`, which outlives the partitions of old months, and by the primary key, which also holds against a batch
 *   that another consumer writes at this moment.
 * - Events are inserted in the order of the batches, which is to be that of their numbers, for the same reason as sums in key
 *   order.
 */
export const ingestStatement = `
WITH texts AS MATERIALIZED (
  SELECT given.*, (SELECT seen FROM usage_marks AS held WHERE held.worker = given.worker AND held.epoch = given.epoch)
  FROM unnest(string_to_array($1, '${rowsSeparator}'), $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
    AS given(rows, worker, epoch, first, last, n)
), batch AS MATERIALIZED (
  SELECT texts.n, texts.first, texts.seen, 'evt_' || texts.worker || '_' || texts.epoch || '_' || event.seq AS id, event.*
  FROM texts, unnest(string_to_array(texts.rows, E'\\n')::usage_row_v2[]) WITH ORDINALITY AS event
), soundness AS MATERIALIZED (
  SELECT texts.n, texts.worker, texts.epoch, texts.first, texts.last,
    coalesce(held.events = texts.last - texts.first + 1 AND held.are_sound, false) AS is_sound
  FROM texts LEFT JOIN (
    SELECT n, count(*) AS events, bool_and(coalesce(
      seq = first + ordinality - 1
      AND created_at >= '2000-01-01Z' AND created_at < '2200-01-01Z'
      AND status_code BETWEEN 100 AND 599
      AND latency_ms >= 0
      AND request_bytes BETWEEN 0 AND ${usageBounds.bytesMax}
      AND response_bytes BETWEEN 0 AND ${usageBounds.bytesMax}
      AND metered_units BETWEEN 0 AND ${usageBounds.meteredUnitsMax}
      AND config_revision >= 0
      AND method IS NOT NULL AND path IS NOT NULL AND request_id IS NOT NULL, false)) AS are_sound
    FROM batch GROUP BY n
  ) AS held USING (n)
), inserted AS (
  INSERT INTO usage_events (${eventColumns})
  SELECT ${eventColumns}
  FROM batch
  WHERE n IN (SELECT n FROM soundness WHERE is_sound) AND NOT coalesce(seen @> seq, false)
  ORDER BY n, seq
  ON CONFLICT DO NOTHING
  RETURNING created_at, user_id, group_id, api_key_id, route_id, status_code, request_bytes, response_bytes, metered_units
), ${hoursOfInserted}, ${sumsOfHours}, mark AS (
  INSERT INTO usage_marks AS held (worker, epoch, seen)
  SELECT worker, epoch, range_agg(int8range(first, last, '[]')) FROM soundness
  -- Behind all of it: who writes others of this worker would wait for the row from here to the end.
  WHERE is_sound AND ${afterSums}
  GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (worker, epoch) DO UPDATE SET seen = held.seen + excluded.seen, updated_at = now()
  RETURNING worker, epoch, seen
)
SELECT
  soundness.is_sound, (SELECT count(*)::integer FROM inserted) AS inserted,
  (SELECT coalesce(bool_or(is_to_raise), false) FROM periods) AS is_to_raise, lower(around)::text AS mark_first,
  (upper(around) - 1)::text AS mark_last
FROM soundness
LEFT JOIN mark USING (worker, epoch)
LEFT JOIN LATERAL unnest(mark.seen) AS around ON around @> soundness.first
ORDER BY soundness.n
`

/**
 * Parameters: an element for each batch: worker, epoch, first, last. A row for each comes back, in their order: whether the ledger
 * has met an event of it.
 */
export const seenStatement = `
SELECT coalesce(held.seen && int8range(first, last, '[]'), false) AS is_seen
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS given(worker, epoch, first, last, n)
LEFT JOIN usage_marks AS held USING (worker, epoch)
ORDER BY n
`

/** Takes what `CopiedRows` makes of batches. An event that is there already ends it, by the primary key. */
export const copyStatement = `COPY usage_events (${eventColumns}) FROM STDIN (FORMAT csv, ESCAPE '\\')`

/**
 * What belongs to copied batches, in the transaction of the copy. Parameters: their sums as JSON text, and an element for each
 * batch: worker, epoch, first, last. A row for each comes back, as of `ingestStatement`.
 */
export const copiedStatement = `
WITH hours AS MATERIALIZED (
  SELECT hour, user_id, group_id, api_key_id, route_id, status_class, sum(requests) AS requests,
    sum(metered_units) AS metered_units, sum(request_bytes) AS request_bytes, sum(response_bytes) AS response_bytes,
    max(last_used) AS last_used
  FROM json_to_recordset($1::json) AS (
    hour timestamptz(3), user_id text, group_id text, api_key_id text, route_id text, status_class integer, requests bigint,
    metered_units bigint, request_bytes bigint, response_bytes bigint, last_used timestamptz(3))
  GROUP BY 1, 2, 3, 4, 5, 6
), given AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
    AS given(worker, epoch, first, last, n)
), ${sumsOfHours}, mark AS (
  INSERT INTO usage_marks AS held (worker, epoch, seen)
  SELECT worker, epoch, range_agg(int8range(first, last, '[]')) FROM given
  WHERE ${afterSums}
  GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (worker, epoch) DO UPDATE SET seen = held.seen + excluded.seen, updated_at = now()
  RETURNING worker, epoch, seen
)
SELECT
  (SELECT coalesce(bool_or(is_to_raise), false) FROM periods) AS is_to_raise, lower(around)::text AS mark_first,
  (upper(around) - 1)::text AS mark_last
FROM given
JOIN mark USING (worker, epoch)
JOIN LATERAL unnest(mark.seen) AS around ON around @> given.first
ORDER BY given.n
`

/**
 * Events that did not come by a worker, in one statement. Parameter: their JSON text; each has the columns of the ledger. The
 * ids of those that are new come back.
 */
export const meterStatement = `
WITH batch AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS (
    id text, created_at timestamptz(3), user_id text, group_id text, api_key_id text, plan_id text, route_id text,
    method text, path text, status_code integer, metered_units bigint, request_id text)
), fresh AS (
  INSERT INTO usage_metered (id) SELECT DISTINCT id FROM batch ORDER BY id ON CONFLICT DO NOTHING RETURNING id
), inserted AS (
  INSERT INTO usage_events (
    id, created_at, user_id, group_id, api_key_id, plan_id, route_id, method, path, status_code, latency_ms,
    request_bytes, response_bytes, metered_units, request_id, config_revision)
  SELECT
    id, created_at, user_id, group_id, api_key_id, plan_id, route_id, method, path, status_code, 0, 0, 0, metered_units,
    request_id, 0
  FROM batch JOIN fresh USING (id)
  ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING created_at, user_id, group_id, api_key_id, route_id, status_code, request_bytes, response_bytes, metered_units
), ${hoursOfInserted}, ${sumsOfHours}
SELECT
  coalesce((SELECT json_agg(id) FROM fresh), '[]') AS fresh,
  (SELECT coalesce(bool_or(is_to_raise), false) FROM periods) AS is_to_raise
`

/**
 * Sets one event aside, and marks it: parameters worker, epoch, number, reason and the event's text. The range of the
 * worker's epoch around it comes back.
 */
export const refuseStatement = `
WITH refused AS (
  INSERT INTO usage_refused (worker, epoch, seq, reason, event) VALUES ($1::text, $2::bigint, $3::bigint, $4, $5)
  ON CONFLICT DO NOTHING
), mark AS (
  INSERT INTO usage_marks AS held (worker, epoch, seen)
  VALUES ($1::text, $2::bigint, int8multirange(int8range($3::bigint, $3::bigint, '[]')))
  ON CONFLICT (worker, epoch) DO UPDATE SET seen = held.seen + excluded.seen, updated_at = now()
  RETURNING seen
)
SELECT lower(around)::text AS mark_first, (upper(around) - 1)::text AS mark_last
FROM mark, LATERAL unnest(mark.seen) AS around
WHERE around @> $3::bigint
`
