import { createHash, randomBytes } from 'node:crypto'
import type pg from 'pg'

export interface Scale {
  keys: number
  routes: number
}

/**
 * Writes plans, users (one for two keys), an upstream, routes and keys by SQL, as if they had been there for long.
 *
 * @returns some keys in clear, for requests.
 */
export async function insertConfiguration(
  database: pg.Client,
  upstreamPort: number,
  { keys, routes }: Scale,
): Promise<string[]> {
  const clear = Array.from({ length: 100 }, () => `ak_${randomBytes(32).toString('hex')}`)
  // Without the checks of foreign keys row by row: what is written here refers to itself.
  await database.query(`SET session_replication_role = replica`)
  await database.query(`INSERT INTO plans (id, name, rate_limit_per_minute, requests_per_month, is_default)
    VALUES ('plan_bench', 'bench', 600000000, 1000000000, true)`)
  await database.query(
    `INSERT INTO users (id, email, plan_id)
    SELECT 'usr_' || lpad(n::text, 26, '0'), n || '@example.com', 'plan_bench' FROM generate_series(0, $1::int) AS n`,
    [Math.ceil(keys / 2)],
  )
  await database.query(
    `INSERT INTO api_keys (id, prefix, digest, user_id)
    SELECT 'key_' || lpad(n::text, 26, '0'), 'ak_' || lpad(n::text, 9, '0'), sha256(('other' || n)::bytea),
      'usr_' || lpad((n / 2)::text, 26, '0')
    FROM generate_series(1, $1::int) AS n`,
    [keys - clear.length],
  )
  await database.query(
    `INSERT INTO api_keys (id, prefix, digest, user_id)
    SELECT 'key_bench' || n, prefix, decode(digest, 'hex'), 'usr_' || lpad((n / 2)::text, 26, '0')
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS known (prefix, digest, n)`,
    [clear.map((key) => key.slice(0, 12)), clear.map((key) => createHash('sha256').update(key).digest('hex'))],
  )
  await database.query(`INSERT INTO upstreams (id, name, base_url) VALUES ('ups_bench', 'bench', $1)`, [
    `http://127.0.0.1:${upstreamPort}`,
  ])
  await database.query(
    `INSERT INTO routes (id, name, path_pattern, upstream_id, methods)
    SELECT 'rte_' || n, 'service ' || n, '/api/service-' || n || '/*', 'ups_bench', '{GET,POST}'
    FROM generate_series(1, $1::int) AS n`,
    [routes],
  )
  await database.query(`SET session_replication_role = DEFAULT`)
  // What PostgreSQL would do by itself some time after such a load, in the middle of what is measured.
  for (const statement of ['VACUUM (ANALYZE)', 'CHECKPOINT']) await database.query(statement)
  return clear
}

/** One change of many items, as a write of them would leave it: `items` is SQL for a row set of JSON items. */
export async function insertChange(database: pg.Client, items: string, count: number, name: string): Promise<number> {
  const { rows } = await database.query<{ revision: string }>(
    `WITH head AS (UPDATE config_head SET revision = revision + 1 RETURNING epoch, revision), items AS (${items}),
    change AS (
      INSERT INTO config_changes (revision, epoch, items, actor_type)
      SELECT revision, epoch, (SELECT jsonb_agg(item) FROM items), 'system' FROM head RETURNING revision
    )
    SELECT revision, pg_notify('apigate_config_change', revision::text)::text FROM change`,
    [count, name],
  )
  return Number(rows[0]?.revision)
}

export const manyKeys = `SELECT jsonb_build_object('kind', 'key', 'op', 'put', 'value', jsonb_build_object(
    'id', 'key_' || $2 || lpad(n::text, 20, '0'), 'digest', encode(sha256(($2 || n)::bytea), 'base64'),
    'prefix', 'ak_012345678', 'userId', 'usr_' || lpad((n / 2)::text, 26, '0'), 'groupId', null,
    'scopes', '[]'::jsonb, 'expiresAtMs', null, 'revokedAtMs', null)) AS item
  FROM generate_series(1, $1::int) AS n`

export const manyRoutes = `SELECT jsonb_build_object('kind', 'route', 'op', 'put', 'value', jsonb_build_object(
    'id', 'rte_' || $2 || n, 'name', $2 || n, 'hostPattern', 'h' || n % 1000 || '.example.com', 'hostMatch', 'exact',
    'pathPattern', '/' || $2 || '/service-' || n || '/*', 'pathMatch', 'prefix', 'methods', '["GET"]'::jsonb,
    'headers', '[]'::jsonb, 'pathRewrite', null, 'methodOverride', null, 'meteringMode', 'request', 'meteringExpr', null,
    'protocol', 'http', 'priority', 0, 'authRequired', true, 'enabled', true, 'upstreamId', 'ups_bench',
    'requestTransform', null, 'responseTransform', null, 'createdAtMs', 1700000000000)) AS item
  FROM generate_series(1, $1::int) AS n`

/** Many changes of a key each, of keys all over the table. */
export async function insertChanges(database: pg.Client, count: number): Promise<number> {
  const { rows } = await database.query<{ revision: string }>(
    `WITH head AS (UPDATE config_head SET revision = revision + $1::int RETURNING epoch, revision),
    spread AS (
      SELECT *, row_number() OVER () AS n FROM (
        SELECT * FROM api_keys WHERE cardinality(scopes) = 0 ORDER BY sha256(id::bytea) LIMIT $1::int
      ) chosen
    ), change AS (
      INSERT INTO config_changes (revision, epoch, actor_type, items)
      SELECT revision - $1::int + n, epoch, 'system', jsonb_build_array(jsonb_build_object(
        'kind', 'key', 'op', 'put', 'value', jsonb_build_object(
          'id', id, 'digest', encode(digest, 'base64'), 'prefix', prefix, 'userId', user_id, 'groupId', group_id,
          'scopes', '[]'::jsonb, 'expiresAtMs', null, 'revokedAtMs', null)))
      FROM head CROSS JOIN spread
    )
    SELECT revision, pg_notify('apigate_config_change', revision::text)::text FROM head`,
    [count],
  )
  return Number(rows[0]?.revision)
}
