import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  createLogger,
  createSealer,
  newId,
  openConfigFeedReader,
  type Closeable,
  type TransportConfig,
} from '@apigate/platform'
import { aKey, aNatsServer, createTestDatabase, waitFor } from '@apigate/testing'
import { expect } from 'vitest'
import {
  appendConfigChange,
  ConfigPublisher,
  keyItem,
  planItem,
  userItem,
} from '../../apps/control-plane/src/config-publisher/index.ts'
import { Database } from '../../apps/control-plane/src/persistence/index.ts'
import { ConfigSubscriber } from '../../apps/proxy/src/tables/config.subscriber.ts'
import { LiveTables } from '../../apps/proxy/src/tables/live.tables.ts'
import { SnapshotDisk } from '../../apps/proxy/src/tables/snapshot.disk.ts'

export const slow = { timeoutMs: 30_000 }
const log = createLogger({ name: 'test', level: 'silent' })
const actor = { type: 'system', id: null, requestId: null } as const

export interface FaultWorker extends Closeable {
  readonly live: LiveTables
  /** Whether it lets this key in. */
  admits(clear: string): boolean
}

/** A database, a NATS server to kill and wipe, publishers and workers on them, all with nothing in between. */
export async function startRig() {
  const testDatabase = await createTestDatabase()
  const database = new Database(testDatabase.url)
  const nats = await aNatsServer()
  await nats.start()
  const scratch = mkdtempSync(path.join(tmpdir(), 'apigate-faults-'))
  const transport: TransportConfig & { databaseUrl: string } = {
    databaseUrl: testDatabase.url,
    natsUrl: nats.url,
    redisUrl: null,
  }
  const publishers: ConfigPublisher[] = []
  const workers: FaultWorker[] = []
  const planId = newId('plan')
  const userId = newId('usr')
  await database.transaction(async (tx) => {
    const plan = await tx.plan.create({ data: { id: planId, name: 'a plan' } })
    const user = await tx.user.create({ data: { id: userId, email: 'ada@example.com', planId } })
    await appendConfigChange(tx, [planItem(plan), userItem(user)], actor)
  })

  return {
    transport,
    nats,
    database,
    /** @param everyChanges between two snapshots */
    startPublisher(everyChanges = 500): ConfigPublisher {
      const publisher = new ConfigPublisher(database, transport, log, { everyChanges, everyShare: 0, everyMs: 300_000 })
      publishers.push(publisher)
      publisher.onApplicationBootstrap()
      return publisher
    },
    /** One of the same name has the disk of the one before. */
    async startWorker(name = 'w1'): Promise<FaultWorker> {
      const live = new LiveTables()
      const feed = openConfigFeedReader(transport, log)
      const disk = new SnapshotDisk(path.join(scratch, name))
      const sealer = createSealer(Buffer.alloc(32).toString('base64'))
      const subscriber = new ConfigSubscriber({ feed, disk, sealer, live, log })
      const worker: FaultWorker = {
        live,
        admits(clear) {
          const slot = live.current?.keys.find(clear) ?? -1
          return slot !== -1 && live.current?.keys.ended(slot, Date.now()) === null
        },
        async close() {
          await subscriber.close()
          await feed.close()
        },
      }
      workers.push(worker)
      await subscriber.start()
      return worker
    },
    /** An admin write. */
    async makeKey(): Promise<{ id: string; clear: string; revision: number }> {
      const { config, clear } = aKey()
      const revision = await database.transaction(async (tx) => {
        const digest = Buffer.from(config.digest, 'base64')
        const row = await tx.apiKey.create({ data: { id: config.id, digest, prefix: config.prefix, userId } })
        return appendConfigChange(tx, [keyItem(row)], actor)
      })
      return { id: config.id, clear, revision: Number(revision) }
    },
    async revokeKey(id: string): Promise<number> {
      const revision = await database.transaction(async (tx) => {
        const row = await tx.apiKey.update({ where: { id }, data: { revokedAt: new Date() } })
        return appendConfigChange(tx, [keyItem(row)], actor)
      })
      return Number(revision)
    },
    async head(): Promise<{ epoch: string; revision: number }> {
      const { epoch, revision } = await database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
      return { epoch, revision: Number(revision) }
    },
    /** What was written after the revision was never there: a restored backup, or a standby that missed it. */
    async restoreTo(revision: number, lostKeys: readonly string[]): Promise<void> {
      await database.prisma.apiKey.deleteMany({ where: { id: { in: [...lostKeys] } } })
      for (const table of ['config_changes', 'config_revisions', 'config_versions'])
        await database.pool.query(`DELETE FROM ${table} WHERE revision > $1`, [revision])
      await database.pool.query('UPDATE config_head SET revision = $1', [revision])
    },
    /** Waits until the worker has what the database has, and finds nothing to complain of. */
    async isUpToDate(worker: FaultWorker): Promise<void> {
      await waitFor(async () => {
        const { epoch, revision } = await this.head()
        const { current, problem } = worker.live
        return current?.epoch === epoch && current.revision === revision && problem === null
      }, slow)
      expect(worker.live.current?.keys.size).toBe(await database.prisma.apiKey.count())
    },
    async stop(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.close()))
      await Promise.all(publishers.map((publisher) => publisher.onModuleDestroy()))
      await database.onModuleDestroy()
      await testDatabase.drop()
      await nats.remove()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

export type Rig = Awaited<ReturnType<typeof startRig>>
