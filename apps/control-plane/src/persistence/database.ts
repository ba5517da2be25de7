import { Injectable, type OnModuleDestroy } from '@nestjs/common'
import { currentTracing } from '@apigate/platform'
import pg from 'pg'
import { PrismaClient, type Prisma } from './generated/client.ts'
import { beginTransaction, ConnectionTeller, type TransactionOptions } from './prepared-statement.ts'
import { tracePrisma } from './prisma.tracing.ts'
import { traceQueries } from './query.tracing.ts'

/** What a repository works with inside a transaction. */
export type Transaction = Prisma.TransactionClient

/**
 * The control plane's way to PostgreSQL: one pool, used by Prisma for resources and directly where a statement is beyond
 * Prisma (ingest, snapshot reads, LISTEN).
 */
@Injectable()
export class Database implements OnModuleDestroy {
  readonly pool: pg.Pool
  readonly prisma: PrismaClient

  /** @param statementMsMax PostgreSQL cancels a statement after this long; 0: never. */
  constructor(databaseUrl: string, statementMsMax = 0) {
    this.pool = new pg.Pool({
      connectionString: databaseUrl,
      max: 10,
      connectionTimeoutMillis: 5_000,
      // By SET, which a connection pooler passes on, as it may not do with a parameter of the start-up packet. pg's own
      // `query_timeout` would give a connection back with its transaction open.
      // A statement of the ledger sorts thousands of events, which must not go by files.
      // Prisma's adapter writes and reads instants without their offset, so that they are those of the session's time zone.
      // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, its types do not say so
      onConnect: (client) =>
        client.query(`SET statement_timeout = ${statementMsMax}; SET work_mem = '16MB'; SET timezone = 'UTC'`),
    })
    // A broken idle connection is replaced by the pool; without a listener it would end the process. So would one that breaks
    // while somebody has it, who hears of it by the query.
    this.pool.on('error', () => {})
    this.pool.on('connect', (client) => void client.on('error', () => {}))
    if (currentTracing() !== null) {
      traceQueries(this.pool, databaseUrl)
      tracePrisma()
    }
    this.prisma = new PrismaClient({
      adapter: new ConnectionTeller(this.pool),
      // Else a message holds the arguments of the query, and the log with it.
      errorFormat: 'minimal',
      // Writes queue for the row of config_head; a burst of them may wait for longer than Prisma's two seconds.
      transactionOptions: { maxWait: 10_000, timeout: 15_000 },
    })
  }

  /** A transaction of Prisma, in which prepared statements can be run, too: see `runPrepared`. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return beginTransaction(this.prisma, work, options)
  }

  async onModuleDestroy(): Promise<void> {
    await this.prisma.$disconnect()
    await this.pool.end()
  }
}
