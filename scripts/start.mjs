// `npm start`: the whole system as one command. Database, queue and config feed are embedded unless DATABASE_URL,
// REDIS_URL and NATS_URL name servers.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { claimDataDir, keptSecret, newApiKey, newEncryptionKey } from './data-dir.mjs'
import { startEmbeddedPostgres } from './embedded-postgres.mjs'
import { provideAdmin } from './first-admin.mjs'
import { isPortFree } from './ports.mjs'
import { provideSampleData } from './sample-data.mjs'
import { supervise } from './supervisor.mjs'

const root = path.resolve(import.meta.dirname, '..')
const dataDir = path.resolve(process.env.APIGATE_DATA_DIR || path.join(root, '.data'))
const host = process.env.APIGATE_HOST || '127.0.0.1'
/** Where this machine reaches what listens on `host`. */
const localHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
const ports = {
  admin: { setting: 'APIGATE_ADMIN_PORT', port: Number(process.env.APIGATE_ADMIN_PORT || 8080) },
  jobs: { setting: 'APIGATE_JOBS_STATUS_PORT', port: Number(process.env.APIGATE_JOBS_STATUS_PORT || 8081) },
  proxy: { setting: 'APIGATE_PROXY_PORT', port: Number(process.env.APIGATE_PROXY_PORT || 8000) },
  status: { setting: 'APIGATE_STATUS_PORT', port: Number(process.env.APIGATE_STATUS_PORT || 8001) },
  echo: { setting: 'APIGATE_ECHO_PORT', port: Number(process.env.APIGATE_ECHO_PORT || 8090) },
}
/** Ctrl-C should not take long. */
const finishSeconds = process.env.APIGATE_FINISH_SECONDS || '5'
const drainSeconds = process.env.APIGATE_DRAIN_SECONDS || '0'
/** The steps behind draining and finishing have bounds of their own. */
const stopGraceMs = (Number(drainSeconds) + Number(finishSeconds)) * 1_000 + 20_000
const running = []
let database = null
/** Of the database, before it is ready: whoever stops then must not leave it behind. */
let databaseStart = null
let claim = null
let stopping = null

const urlOf = (name) => `http://${localHost.includes(':') ? `[${localHost}]` : localHost}:${ports[name].port}`

async function checkPorts() {
  for (const { setting, port } of Object.values(ports)) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${setting} is not a port: "${port}"`)
    if (!(await isPortFree(port, host))) {
      throw new Error(`Port ${port} is taken (or not allowed). Free it, or choose another: ${setting}=… npm start`)
    }
  }
}

async function start() {
  claim = await claimDataDir(dataDir)
  await checkPorts()
  if (!process.env.DATABASE_URL) {
    databaseStart = startEmbeddedPostgres({
      dir: path.join(dataDir, 'postgres'),
      onExit: (output) => fail(new Error(`PostgreSQL ended:\n${output}`)),
    })
    database = await databaseStart
    if (stopping) return
    notePids()
  }
  const firstStart = !existsSync(path.join(dataDir, 'admin.key'))
  const adminKey = process.env.APIGATE_ADMIN_KEY || keptSecret(dataDir, 'admin.key', newApiKey)
  const adminEmail = process.env.APIGATE_ADMIN_EMAIL || 'admin@example.com'
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    DATABASE_URL: process.env.DATABASE_URL || database.url,
    APIGATE_HOST: host,
    APIGATE_DATA_DIR: path.join(dataDir, 'worker'),
    APIGATE_ADMIN_KEY: adminKey,
    // The API wants both or none. Without a password the account is made below.
    APIGATE_ADMIN_EMAIL: process.env.APIGATE_ADMIN_PASSWORD ? adminEmail : '',
    APIGATE_ENCRYPTION_KEY:
      process.env.APIGATE_ENCRYPTION_KEY || keptSecret(dataDir, 'encryption.key', newEncryptionKey),
    // One worker and nobody balancing in front: nothing has to notice that it is leaving.
    APIGATE_DRAIN_SECONDS: drainSeconds,
    APIGATE_FINISH_SECONDS: finishSeconds,
    // A receiver of webhooks that is being written runs on this machine.
    APIGATE_WEBHOOK_ALLOW: process.env.APIGATE_WEBHOOK_ALLOW || '127.0.0.0/8,::1',
  }
  for (const { setting, port } of Object.values(ports)) env[setting] = String(port)
  const { applyMigrations } = await import('@apigate/platform')
  await applyMigrations(env.DATABASE_URL, path.join(root, 'prisma/migrations'))
  if (stopping) return

  const begin = (name, file, readyUrl, args) => {
    const logFile = path.join(dataDir, 'logs', `${name}.log`)
    const service = supervise({ name, file: path.join(root, file), args, env, logFile, readyUrl, onRestart: notePids })
    running.unshift(service) // stopped in the reverse order
    return service
  }
  const withSample = process.env.APIGATE_SAMPLE_DATA !== 'false'
  if (withSample) {
    begin('echo', 'apps/echo/dist/main.js', `${urlOf('echo')}/`, [String(ports.echo.port), host])
  }
  begin('api', 'apps/control-plane/dist/main.api.js', `${urlOf('admin')}/readyz`)
  begin('jobs', 'apps/control-plane/dist/main.jobs.js', `${urlOf('jobs')}/readyz`)
  begin('proxy', 'apps/proxy/dist/main.js', `${urlOf('status')}/readyz`)
  notePids()
  await Promise.all(running.map((service) => service.ready()))
  const sampleKey = withSample
    ? await provideSampleData({ adminUrl: urlOf('admin'), adminKey, echoUrl: urlOf('echo'), dataDir })
    : null
  // The last step, so that nothing can come between it and the only time that the password is shown.
  const signIn = await provideAdmin({ adminUrl: urlOf('admin'), adminKey, email: adminEmail }).then(
    (password) => password && `${adminEmail}, password ${password} (shown this once)`,
    (error) => `no account could be made: ${error.message}`,
  )
  announce({ adminKey, signIn, sampleKey, firstStart })
}

function notePids() {
  claim?.note({ services: running.map((service) => service.pid()), database: database?.pid ?? null })
}

function announce({ adminKey, signIn, sampleKey, firstStart }) {
  const lines = [
    '',
    `APIGate is ready${firstStart ? ' (new installation)' : ''}.`,
    `  proxy      ${urlOf('proxy')}    its health and metrics: ${urlOf('status')}`,
    `  admin API  ${urlOf('admin')}    admin key: ${adminKey}`,
    ...(signIn ? [`  sign in    ${signIn}`] : []),
    `  data       ${dataDir}    logs: ${path.join(dataDir, 'logs')}`,
  ]
  if (sampleKey) {
    lines.push(
      '',
      'Try it:',
      '',
      '# 200, through the proxy with the sample key',
      `curl -i ${urlOf('proxy')}/echo/hello -H 'X-API-Key: ${sampleKey}'`,
      '# 401, without a key',
      `curl -i ${urlOf('proxy')}/echo/hello`,
      '# 404, no route',
      `curl -i ${urlOf('proxy')}/unknown -H 'X-API-Key: ${sampleKey}'`,
      '# 200 until the plan’s 10 at once are used up, then 429',
      `for n in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' ${urlOf('proxy')}/echo/hello -H 'X-API-Key: ${sampleKey}'; done; echo`,
      '# what was used, as the ledger has it a moment later',
      `sleep 1; curl -s -g '${urlOf('admin')}/api/usage-events?page[size]=3&sort=-created_at' -H 'Authorization: Bearer ${adminKey}'`,
      '',
      `In a browser, with EventSource and WebSocket through the proxy: ${urlOf('proxy')}/try/demo`,
    )
  }
  console.log([...lines, '', 'Ctrl-C stops it.', ''].join('\n'))
}

function stop() {
  stopping ??= (async () => {
    for (const service of running) await service.stop(stopGraceMs)
    const started = await databaseStart?.catch(() => null)
    await started?.stop()
    claim?.release()
  })()
  return stopping
}

function exitAfterStop(code) {
  void stop().finally(() => process.exit(code))
}

function fail(error) {
  if (stopping) return
  console.error(`\nAPIGate: ${error.message}\n`)
  exitAfterStop(1)
}

function stopOnRequest() {
  if (stopping) process.exit(1)
  console.error('stopping …')
  exitAfterStop(0)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stopOnRequest)
// The command that started this one is gone, however it ended.
process.stdin.on('end', stopOnRequest).on('error', stopOnRequest).resume()

start().catch(fail)
