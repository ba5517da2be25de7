/** Units beyond the quota. */
const overage = (units: string, quota: string): string =>
  `CASE WHEN ${quota} > 0 THEN greatest(0, ${units} - ${quota}) ELSE 0 END`

/** The highest threshold (percent of the quota) that was reached; quotaWarning of core has the same ones. */
const threshold = (units: string, quota: string): string => `CASE
  WHEN ${quota} = 0 OR (${units}) * 100 < ${quota} * 80 THEN 0
  WHEN ${units} >= ${quota} THEN 100
  WHEN (${units}) * 100 >= ${quota} * 95 THEN 95
  ELSE 80 END`

/** The part `hours` of a statement: sums of what its part `inserted` has inserted. */
export const hoursOfInserted = `hours AS MATERIALIZED (
  SELECT
    date_trunc('hour', created_at, 'UTC') AS hour, coalesce(user_id, '') AS user_id, coalesce(group_id, '') AS group_id,
    coalesce(api_key_id, '') AS api_key_id, coalesce(route_id, '') AS route_id, status_code / 100 AS status_class,
    count(*) AS requests, sum(metered_units) AS metered_units, sum(request_bytes) AS request_bytes,
    sum(response_bytes) AS response_bytes, max(created_at) AS last_used
  FROM inserted
  GROUP BY 1, 2, 3, 4, 5, 6
)`

/**
 * The parts of a statement that add its part `hours` to the hours, the days, the months of owners and the last use of keys. The
 * part `periods` has a row for each owner's month, with `is_to_raise`.
 *
 * Deadlocks: rows are written in key order, and each part waits for the one before, as the server would else run them in an
 * order that depends on its plan; so two batches meet in the same order. A part behind them has `afterSums`.
 */
export const sumsOfHours = `hourly AS (
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
  RETURNING 1
), daily AS (
  INSERT INTO usage_daily AS held (
    day, user_id, group_id, api_key_id, route_id, status_class, requests, metered_units, request_bytes, response_bytes)
  SELECT
    (hour AT TIME ZONE 'UTC')::date, user_id, group_id, api_key_id, route_id, status_class, sum(requests),
    sum(metered_units), sum(request_bytes), sum(response_bytes)
  FROM hours
  WHERE (SELECT count(*) FROM hourly) >= 0
  GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (day, user_id, group_id, api_key_id, route_id, status_class) DO UPDATE SET
    requests = held.requests + excluded.requests, metered_units = held.metered_units + excluded.metered_units,
    request_bytes = held.request_bytes + excluded.request_bytes,
    response_bytes = held.response_bytes + excluded.response_bytes
  RETURNING 1
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
  WHERE (SELECT count(*) FROM daily) >= 0
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
  WHERE (SELECT count(*) FROM periods) >= 0
    AND (api_keys.last_used IS NULL OR api_keys.last_used < used.last_used - interval '1 minute')
  ORDER BY api_keys.id
  FOR NO KEY UPDATE OF api_keys
), touched_keys AS (
  UPDATE api_keys SET last_used = stale_keys.last_used FROM stale_keys WHERE api_keys.id = stale_keys.id
  RETURNING 1
)`

/** The condition of a part that runs behind those. Both: where nothing is to be touched, the server need not ask what is stale. */
export const afterSums = '(SELECT count(*) FROM periods) >= 0 AND (SELECT count(*) FROM touched_keys) >= 0'
