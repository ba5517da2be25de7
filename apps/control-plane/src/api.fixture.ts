import { randomBytes } from 'node:crypto'
import { createLogger } from '@apigate/platform'
import { createTestDatabase, waitFor } from '@apigate/testing'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { createApiApp } from './api.app.ts'
import { loadConfig, type ControlPlaneConfig } from './config.ts'
import { FirstStart } from './first-start/index.ts'
import { mediaType } from './jsonapi/index.ts'
import { Database } from './persistence/index.ts'

export interface ApiAnswer {
  status: number
  headers: Record<string, string | string[] | number | undefined>
  /** The JSON of the body, as a client reads it that knows nothing of our types; null without one. */
  document: any
}

export interface TestApi {
  app: NestFastifyApplication
  database: Database
  adminKey: string
  config: ControlPlaneConfig
  /** What the process has logged, at the finest level. */
  log: string[]
  /**
   * A request with the admin key. An object is sent as JSON:API when it has `data`, else as flat JSON; text and bytes are
   * sent as they are.
   */
  call(method: Method, url: string, body?: unknown, headers?: Record<string, string | undefined>): Promise<ApiAnswer>
  /** Creates and answers the resource object; throws unless 201. */
  create(collection: string, attributes: object): Promise<any>
  stop(): Promise<void>
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** The whole API process, without a socket, on a database of its own. */
export async function startTestApi(settings: Record<string, string> = {}): Promise<TestApi> {
  const testDatabase = await createTestDatabase()
  const adminKey = `ak_${randomBytes(32).toString('hex')}`
  const databaseUrl = new URL(testDatabase.url)
  // Not asked for by a server that trusts its clients, but there to be found where it must not be.
  databaseUrl.password ||= 'secret-of-the-database'
  const config = loadConfig({
    DATABASE_URL: databaseUrl.href,
    APIGATE_ADMIN_KEY: adminKey,
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    ...settings,
  })
  const log: string[] = []
  const destination = { write: (line: string) => void log.push(line) }
  const app = await createApiApp(config, createLogger({ name: 'api', level: 'trace', destination }))
  await waitFor(() => app.get(FirstStart).done)

  const call: TestApi['call'] = async (method, url, body, headers = {}) => {
    const raw = typeof body === 'string' || body instanceof Uint8Array
    const type = typeof body === 'object' && body !== null && 'data' in body ? mediaType : 'application/json'
    const response = await app.inject({
      method,
      url,
      headers: clean({ 'x-api-key': adminKey, ...(body === undefined ? {} : { 'content-type': type }), ...headers }),
      ...(body === undefined ? {} : { payload: raw ? Buffer.from(body) : JSON.stringify(body) }),
    })
    return {
      status: response.statusCode,
      headers: response.headers,
      document: response.body === '' ? null : JSON.parse(response.body),
    }
  }
  return {
    app,
    database: app.get(Database),
    adminKey,
    config,
    log,
    call,
    async create(collection, attributes) {
      const { status, document } = await call('POST', `/api/${collection}`, attributes)
      if (status !== 201) throw new Error(`${collection}: ${status} ${JSON.stringify(document)}`)
      return document.data
    },
    async stop() {
      await app.close()
      await testDatabase.drop()
    },
  }
}

function clean(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** The `source` of each error, in order. */
export function sources({ document }: ApiAnswer): unknown[] {
  return document.errors.map((error: { source?: unknown }) => error.source)
}
