#!/usr/bin/env -S node --no-warnings
// Drop-in for Prisma's native `schema-engine` (JSON-RPC over stdio) on the official WASM build + pg.
// Use: PRISMA_SCHEMA_ENGINE_BINARY=<this file> prisma migrate dev|deploy|status|diff, prisma db push, prisma generate
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import path from 'node:path'
import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as bg from '@prisma/schema-engine-wasm/schema_engine_bg'
const require = createRequire(import.meta.url)

const { values: o, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    datamodels: { type: 'string', multiple: true },
    datasource: { type: 'string' },
    version: { type: 'boolean' },
  },
})
if (o.version) {
  console.log('schema-engine-cli wasm')
  process.exit()
}
const url = (() => {
  const d = o.datasource ? JSON.parse(o.datasource) : {}
  return d.url ?? process.env.DATABASE_URL
})()
const cfg = () => {
  const u = new URL(url)
  return {
    host: u.hostname,
    port: +u.port || 5432,
    user: decodeURIComponent(u.username),
    password: decodeURIComponent(u.password),
    database: u.pathname.slice(1),
    max: 4,
  }
}
if (positionals[0] === 'cli') {
  const c = cfg()
  const name = c.database
  const cl = new pg.Client(positionals[1] === 'create-database' ? { ...c, database: 'postgres' } : c)
  try {
    await cl.connect()
    if (positionals[1] === 'create-database') await cl.query(`CREATE DATABASE "${name}"`)
    await cl.end()
    process.exit(0)
  } catch (e) {
    console.error(
      JSON.stringify({
        level: 'ERROR',
        fields: { message: e.message, is_panic: false, error_code: e.code === '3D000' ? 'P1003' : 'P1001', meta: {} },
      }),
    )
    process.exit(1)
  }
}
const pools = []
const patch = async (pool, extra) => {
  const a = await new PrismaPg(pool, { disposeExternalPool: true }).connect()
  const io = a.performIO.bind(a)
  a.performIO = async (q) => {
    const r = await io(q)
    for (const f of r.fields ?? []) if (f.dataTypeID === 18) f.dataTypeID = 25
    return r
  }
  a.executeScript = (sql) =>
    pool.query(sql).then(
      () => {},
      (e) => a.onError(e),
    )
  const d = a.dispose.bind(a)
  a.dispose = async () => {
    await d()
    await extra?.()
  }
  pools.push(pool)
  return a
}
const factory = bindMigrationAwareSqlAdapterFactory({
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  connect: () => patch(new pg.Pool(cfg())),
  connectToShadowDb: async () => {
    const database = 'prisma_migrate_shadow_db_' + crypto.randomUUID(),
      admin = new pg.Client(cfg())
    await admin.connect()
    await admin.query(`CREATE DATABASE "${database}"`)
    return patch(new pg.Pool({ ...cfg(), database }), async () => {
      await admin.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`)
      await admin.end()
    })
  },
})
let engine
async function getEngine() {
  if (engine) return engine
  const wasm = path.join(
    path.dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')),
    'schema_engine_bg.wasm',
  )
  const { instance } = await WebAssembly.instantiate(await readFile(wasm), { './schema_engine_bg.js': bg })
  bg.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  const datamodels = await Promise.all((o.datamodels ?? []).map(async (f) => [f, await readFile(f, 'utf8')]))
  return (engine = await bg.SchemaEngine.new(
    { datamodels: datamodels.length ? datamodels : undefined },
    () => {},
    factory,
  ))
}
let chain = Promise.resolve(),
  rl = createInterface({ input: process.stdin })
rl.on('line', (l) => (chain = chain.then(() => handle(JSON.parse(l)))))
rl.on('close', () =>
  chain.finally(async () => {
    await Promise.allSettled(pools.map((p) => p.ended || p.end()))
    process.exit()
  }),
)
async function handle({ id, method, params }) {
  if (!method) return
  if (process.env.SHIM_LOG) console.error('RPC', method, JSON.stringify(params).slice(0, 300))
  const alias = { getDatabaseVersion: 'version' }
  try {
    const e = await getEngine()
    const result =
      method === 'createDatabase' ? { databaseName: cfg().database } : await e[alias[method] ?? method](params)
    if (method === 'diff' && result.stdout != null) {
      // the CLI prints what the engine asks it to print
      process.stdout.write(
        JSON.stringify({ jsonrpc: '2.0', method: 'print', params: { content: result.stdout }, id: 9e6 }) + '\n',
      )
    }
    process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: result ?? {} }) + '\n')
  } catch (err) {
    process.stdout.write(
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        error: {
          code: 4466,
          message: 'schema engine error',
          data: { is_panic: false, message: err.message, error_code: err.code ?? null, meta: null },
        },
      }) + '\n',
    )
  }
}
