import { AsyncLocalStorage } from 'node:async_hooks'
import { PrismaPg } from '@prisma/adapter-pg'
import { DatabaseError, type PoolClient } from 'pg'
import type { Transaction } from './database.ts'
import type { PrismaClient } from './generated/client.ts'

/** A statement that a connection prepares once: PostgreSQL reads and plans it then, and only runs it from there on. */
export interface PreparedStatement {
  name: string
  text: string
}

/** In ms. */
export interface TransactionOptions {
  timeout?: number
  /** For a connection. */
  maxWait?: number
}

/** The connection of a transaction, for as long as it is the transaction's. */
interface Held {
  connection: PoolClient | null
}

const heldBy = new WeakMap<Transaction, Held>()
/** Of the transaction that is about to begin. */
const beginning = new AsyncLocalStorage<Held | null>()

/**
 * Runs a prepared statement within a transaction of `Database.transaction`, past Prisma: for statements of every write, where
 * what Prisma and PostgreSQL's planner do costs several times the statement itself (docs/decisions/0043).
 *
 * @throws what pg throws but for its details, and an error with Prisma's code for it when the transaction has ended, as by its time.
 */
export async function runPrepared<Row extends object>(
  tx: Transaction,
  { name, text }: PreparedStatement,
  values: unknown[],
): Promise<Row[]> {
  const held = heldBy.get(tx)
  if (held === undefined) throw new Error('the transaction was not begun by Database.transaction')
  // The connection may be somebody else's by now.
  if (held.connection === null) throw Object.assign(new Error('the transaction has ended'), { code: 'P2028' })
  try {
    return (await held.connection.query<Row>({ name, text, values })).rows
  } catch (error) {
    // They quote the row or the values, which no log is to have.
    if (error instanceof DatabaseError) Object.assign(error, { detail: undefined, where: undefined })
    throw error
  }
}

/** A transaction of Prisma, in which prepared statements can be run, too. */
export async function beginTransaction<T>(
  prisma: PrismaClient,
  work: (tx: Transaction) => Promise<T>,
  options?: TransactionOptions,
): Promise<T> {
  const held: Held = { connection: null }
  return beginning.run(held, () =>
    prisma.$transaction(async (tx) => {
      heldBy.set(tx, held)
      // Another one that is begun meanwhile has a connection of its own.
      return beginning.run(null, () => work(tx))
    }, options),
  )
}

/** Prisma does not say which connection a transaction has, and until when; its adapter knows. */
export class ConnectionTeller extends PrismaPg {
  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = await super.connect()
    const start = adapter.startTransaction.bind(adapter)
    adapter.startTransaction = async (isolation) => {
      const transaction = await start(isolation)
      const held = beginning.getStore()
      if (held) {
        held.connection = (transaction as unknown as { client: PoolClient }).client
        // Its end comes through here, too, however it came to it; Prisma may have it wait for a statement that still runs.
        const execute = transaction.executeRaw.bind(transaction)
        transaction.executeRaw = (query) => {
          if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') held.connection = null
          return execute(query)
        }
        const rollback = transaction.rollback.bind(transaction)
        transaction.rollback = () => {
          held.connection = null
          return rollback()
        }
      }
      return transaction
    }
    return adapter
  }
}
