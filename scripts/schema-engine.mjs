#!/usr/bin/env -S node --no-warnings
// Stands in for Prisma's native `schema-engine`, whose download this project does without: JSON-RPC over stdio on the
// official WebAssembly build and the pg driver. Used by `prisma generate|migrate …` through PRISMA_SCHEMA_ENGINE_BINARY.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as wasmBindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

const require = createRequire(import.meta.url)
const charType = 18
const textType = 25
const pools = []

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    datamodels: { type: 'string', multiple: true },
    datasource: { type: 'string' },
    version: { type: 'boolean' },
  },
})

function connection(database) {
  const url = new URL((options.datasource && JSON.parse(options.datasource).url) || process.env.DATABASE_URL)
  return {
    host: url.hostname,
    port: Number(url.port) || 5432,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: database ?? url.pathname.slice(1),
    max: 4,
  }
}

/** The driver adapter, with what the WASM engine expects beyond it. */
async function openAdapter(pool, onDispose) {
  pools.push(pool)
  const adapter = await new PrismaPg(pool, { disposeExternalPool: true }).connect()
  const performIO = adapter.performIO.bind(adapter)
  adapter.performIO = async (query) => {
    const result = await performIO(query)
    // The catalogue's "char" columns are read as text.
    for (const field of result.fields ?? []) if (field.dataTypeID === charType) field.dataTypeID = textType
    return result
  }
  // All but one: for it the engine stops short on a schema with CHECK constraints.
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    const kind = result.columnNames.indexOf('constraint_type')
    if (kind !== -1) result.columnTypes[kind] = ColumnTypeEnum.Character
    return result
  }
  // Migrations hold several statements: only the simple protocol runs them.
  adapter.executeScript = async (sql) => {
    try {
      await pool.query(sql)
    } catch (error) {
      adapter.onError(error)
    }
  }
  const dispose = adapter.dispose.bind(adapter)
  adapter.dispose = async () => {
    await dispose()
    await onDispose?.()
  }
  return adapter
}

async function openShadowDatabase() {
  const database = `prisma_migrate_shadow_db_${randomUUID()}`
  const admin = new pg.Client(connection())
  await admin.connect()
  await admin.query(`CREATE DATABASE "${database}"`)
  return openAdapter(new pg.Pool(connection(database)), async () => {
    await admin.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`)
    await admin.end()
  })
}

const adapterFactory = bindMigrationAwareSqlAdapterFactory({
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  connect: () => openAdapter(new pg.Pool(connection())),
  connectToShadowDb: openShadowDatabase,
})

async function loadEngine() {
  const bindings = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const wasm = await readFile(path.join(path.dirname(bindings), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': wasmBindings })
  wasmBindings.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  const files = options.datamodels ?? []
  const datamodels = await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8')]))
  return wasmBindings.SchemaEngine.new({ datamodels: files.length ? datamodels : undefined }, () => {}, adapterFactory)
}

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)

let engine
async function answer({ id, method, params }) {
  if (!method) return
  try {
    engine ??= await loadEngine()
    const result =
      method === 'createDatabase'
        ? { databaseName: connection().database }
        : await engine[method === 'getDatabaseVersion' ? 'version' : method](params)
    // The CLI prints what the engine asks it to print.
    if (method === 'diff' && typeof result.stdout === 'string') {
      send({ method: 'print', params: { content: result.stdout }, id: 9e6 })
    }
    send({ id, result: result ?? {} })
  } catch (error) {
    const data = { is_panic: false, message: error.message, error_code: error.code ?? null, meta: null }
    send({ id, error: { code: 4466, message: 'schema engine error', data } })
  }
}

/** `schema-engine cli can-connect-to-database|create-database` */
async function runCli(verb) {
  const { database } = connection()
  const client = new pg.Client(connection(verb === 'create-database' ? 'postgres' : database))
  try {
    await client.connect()
    if (verb === 'create-database') await client.query(`CREATE DATABASE "${database}"`)
    await client.end()
  } catch (error) {
    const errorCode = error.code === '3D000' ? 'P1003' : 'P1001'
    const fields = { message: error.message, is_panic: false, error_code: errorCode, meta: {} }
    console.error(JSON.stringify({ level: 'ERROR', fields }))
    process.exitCode = 1
  }
}

async function serve() {
  for await (const line of createInterface({ input: process.stdin })) await answer(JSON.parse(line))
  await Promise.allSettled(pools.filter((pool) => !pool.ended).map((pool) => pool.end()))
  process.exit()
}

if (options.version) console.log('schema-engine-cli wasm')
else if (positionals[0] === 'cli') await runCli(positionals[1])
else await serve()
