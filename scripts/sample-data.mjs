// What a first look needs: a plan, a user, a key, an upstream that echoes, and routes to it. Made through the admin API, as
// a user would.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { call } from './admin-call.mjs'

/**
 * Makes the sample data on an installation without routes; finds the sample key again on later starts.
 *
 * @returns {Promise<string | null>} the sample customer's key, or null when this installation has data of its own.
 */
export async function provideSampleData({ adminUrl, adminKey, echoUrl, dataDir }) {
  const file = path.join(dataDir, 'sample.json')
  if (existsSync(file)) {
    const sample = JSON.parse(readFileSync(file, 'utf8'))
    await updateEchoAddress(adminUrl, adminKey, echoUrl)
    return sample.key
  }
  const admin = (method, route, body) => call(adminUrl, adminKey, method, route, body)
  const { meta } = await admin('GET', '/api/routes')
  if (meta.total > 0) return null

  const create = async (type, attributes) => (await admin('POST', `/api/${type}`, attributes)).data
  const plan = await create('plans', {
    id: 'plan_sample',
    name: 'Sample',
    description: '60 requests a minute, 10 at once, 10,000 a month',
    rate_limit_per_minute: 60,
    burst: 10,
    requests_per_month: 10_000,
  })
  const user = await create('users', {
    id: 'usr_sample',
    email: 'customer@example.com',
    name: 'Sample customer',
    plan_id: plan.id,
  })
  await create('upstreams', { id: 'ups_sample', name: 'echo', base_url: echoUrl })
  const upstream = { upstream_id: 'ups_sample', path_rewrite: '/$1' }
  await create('routes', { id: 'rte_sample_echo', name: 'echo', path_pattern: '/echo/*', ...upstream })
  await create('routes', {
    id: 'rte_sample_socket',
    name: 'echo by WebSocket',
    path_pattern: '/socket/*',
    protocol: 'websocket',
    ...upstream,
  })
  // A browser's EventSource and WebSocket cannot send a key: these two are public.
  await create('routes', {
    id: 'rte_sample_try',
    name: 'try',
    path_pattern: '/try/*',
    auth_required: false,
    ...upstream,
  })
  await create('routes', {
    id: 'rte_sample_try_socket',
    name: 'try by WebSocket',
    path_pattern: '/try/socket',
    match_type: 'exact',
    protocol: 'websocket',
    auth_required: false,
    upstream_id: 'ups_sample',
  })
  const key = (await create('api-keys', { id: 'key_sample', name: 'Sample key', user_id: user.id })).meta.key
  writeFileSync(file, JSON.stringify({ key }), { mode: 0o600 })
  return key
}

/** The echo upstream may have been given another port since. */
async function updateEchoAddress(adminUrl, adminKey, echoUrl) {
  const response = await fetch(`${adminUrl}/api/upstreams/ups_sample`, {
    headers: { authorization: `Bearer ${adminKey}` },
  })
  if (response.status === 404) return
  const { data } = await response.json()
  if (data.attributes.base_url === echoUrl) return
  await call(adminUrl, adminKey, 'PATCH', '/api/upstreams/ups_sample', { base_url: echoUrl })
}
