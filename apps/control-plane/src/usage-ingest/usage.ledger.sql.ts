import { usageBounds } from '@apigate/contracts'

/** Between the rows of two batches; no row holds a control character. */
export const rowsSeparator = '\u001e'

/** Units beyond the quota. */
const overage = (units: string, quota: string): string =>
  `CASE WHEN ${quota} > 0 THEN greatest(0, ${units} - ${quota}) ELSE 0 END`

/** The highest threshold (percent of the quota) that was reached; quotaWarning of core has the same ones. */
const threshold = (units: string, quota: string): string => `CASE
  WHEN ${quota} = 0 OR (${units}) * 100 < ${quota} * 80 THEN 0
  WHEN ${units} >= ${quota} THEN 100
  WHEN (${units}) * 100 >= ${quota} * 95 THEN 95
  ELSE 80 END`

/**
 * The parts of a statement that count what its part `inserted` has inserted: in the hours, the days, the months of owners
 * and the last use of keys. The part `periods` has a row for each owner's month, with `is_to_raise`.
 *
 * Deadlocks: rows are written in key order, and the parts of a statement run in one order in every session; so two
 * batches meet in the same order.
 */
const sumsOfInserted = `), hours AS MATERIALIZED (
  SELECT
    date_trunc('hour', created_at, 'UTC') AS hour, coalesce(user_id, '') AS user_id, coalesce(group_id, '') AS group_id,
    coalesce(api_key_id, '') AS api_key_id, coalesce(route_id, '') AS route_id, status_code / 100 AS status_class,
    count(*) AS requests, sum(metered_units) AS metered_units, sum(request_bytes) AS request_bytes,
    sum(response_bytes) AS response_bytes, max(created_at) AS last_used
  FROM inserted
  GROUP BY 1, 2, 3, 4, 5, 6
), hourly AS (
  INSERT INTO usage_hourly AS held (
    hour, user_id, group_id, api_key_id, route_id, status_class, requests, metered_units, request_bytes, response_bytes)
  SELECT
    hour, user_id, group_id, api_key_id, route_id, status_class, requests, metered_units, request_bytes, response_bytes
  FROM hours
  ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (hour, user_id, group_id, api_key_id, route_id, status_class) DO UPDATE SET
    requests = held.requests + excluded.requests, metered_units = held.metered_units + excluded.metered_units,
    request_bytes = held.request_bytes + excluded.request_bytes,
    response_bytes = held.response_bytes + excluded.response_bytes
), daily AS (
  INSERT INTO usage_daily AS held (
    day, user_id, group_id, api_key_id, route_id, status_class, requests, metered_units, request_bytes, response_bytes)
  SELECT
    (hour AT TIME ZONE 'UTC')::date, user_id, group_id, api_key_id, route_id, status_class, sum(requests),
    sum(metered_units), sum(request_bytes), sum(response_bytes)
  FROM hours
  GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (day, user_id, group_id, api_key_id, route_id, status_class) DO UPDATE SET
    requests = held.requests + excluded.requests, metered_units = held.metered_units + excluded.metered_units,
    request_bytes = held.request_bytes + excluded.request_bytes,
    response_bytes = held.response_bytes + excluded.response_bytes
), owners AS MATERIALIZED (
  SELECT counted.*, coalesce(plans.requests_per_month, 0) AS quota
  FROM (
    SELECT
      coalesce(nullif(group_id, ''), user_id) AS owner_id, date_trunc('month', hour AT TIME ZONE 'UTC')::date AS period,
      sum(requests) AS requests, sum(metered_units) AS metered_units
    FROM hours
    WHERE group_id <> '' OR user_id <> ''
    GROUP BY 1, 2
  ) AS counted
  LEFT JOIN groups ON groups.id = counted.owner_id
  LEFT JOIN users ON users.id = counted.owner_id
  LEFT JOIN plans ON plans.id = coalesce(groups.plan_id, users.plan_id)
), periods AS (
  INSERT INTO usage_periods AS held (
    owner_id, period, requests, metered_units, quota, overage_units, threshold_sent)
  SELECT
    owner_id, period, requests, metered_units, quota, ${overage('metered_units', 'quota')},
    ${threshold('metered_units', 'quota')}
  FROM owners
  ORDER BY 1, 2
  ON CONFLICT (owner_id, period) DO UPDATE SET
    requests = held.requests + excluded.requests, metered_units = held.metered_units + excluded.metered_units,
    quota = excluded.quota,
    overage_units = ${overage('held.metered_units + excluded.metered_units', 'excluded.quota')},
    threshold_sent = greatest(held.threshold_sent,
      ${threshold('held.metered_units + excluded.metered_units', 'excluded.quota')}),
    updated_at = now()
  RETURNING threshold_sent > threshold_raised AS is_to_raise
), stale_keys AS (
  -- To the minute, so that a busy key costs no write per batch; never ahead of this clock.
  SELECT api_keys.id, used.last_used
  FROM (
    SELECT api_key_id, least(max(last_used), now()) AS last_used FROM hours WHERE api_key_id <> '' GROUP BY 1
  ) AS used
  JOIN api_keys ON api_keys.id = used.api_key_id
  WHERE api_keys.last_used IS NULL OR api_keys.last_used < used.last_used - interval '1 minute'
  ORDER BY api_keys.id
  FOR NO KEY UPDATE OF api_keys
), touched_keys AS (
  UPDATE api_keys SET last_used = stale_keys.last_used FROM stale_keys WHERE api_keys.id = stale_keys.id
)`

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
  INSERT INTO usage_events (
    id, created_at, user_id, group_id, api_key_id, plan_id, route_id, upstream_id, method, path, status_code, latency_ms,
    request_bytes, response_bytes, metered_units, error_code, metering_error, request_id, config_revision, client_ip,
    trace_id)
  SELECT
    id, created_at, user_id, group_id, api_key_id, plan_id, route_id, upstream_id, method, path, status_code, latency_ms,
    request_bytes, response_bytes, metered_units, error_code, metering_error, request_id, config_revision, client_ip,
    trace_id
  FROM batch
  WHERE n IN (SELECT n FROM soundness WHERE is_sound) AND NOT coalesce(seen @> seq, false)
  ORDER BY n, seq
  ON CONFLICT DO NOTHING
  RETURNING created_at, user_id, group_id, api_key_id, route_id, status_code, request_bytes, response_bytes, metered_units
${sumsOfInserted}, mark AS (
  INSERT INTO usage_marks AS held (worker, epoch, seen)
  SELECT worker, epoch, range_agg(int8range(first, last, '[]')) FROM soundness
  -- Behind the events: who writes others of this worker would wait for the row from here to the end.
  WHERE is_sound AND (SELECT count(*) FROM inserted) >= 0
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
${sumsOfInserted}
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
