import { AsyncLocalStorage } from 'node:async_hooks'
import type { ConfigItem } from '@apigate/core'
import { Injectable } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import { requireChecked, type Written } from '../jsonapi/index.ts'
import { Database, databaseProblem, type Transaction } from '../persistence/index.ts'
import { appendWebhookEvents, type WebhookEvent } from '../webhook-outbox/index.ts'
import type { AuditEntry } from './audit-entry.ts'
import { AuditRepository, auditRow } from './audit.repository.ts'
import { WriteQueue } from './write.queue.ts'

/** What a write did, for the audit trail and for the workers. */
export interface Effect<R> {
  row: R
  audit: readonly AuditEntry[]
  /** Empty when no worker needs to know: then no revision is made. */
  items: ConfigItem[]
  /** What webhooks are told of it. */
  events?: readonly WebhookEvent[]
}

/** A transaction and what the writes in it have done so far. */
interface UnitOfWork {
  tx: Transaction
  effects: Effect<unknown>[]
}

const triesMax = 3
/** Half of the pool, for all of them end with the same lock: more would gain nothing. The other half is for reads. */
const writesAtOnce = 5
const waitMsMax = 30_000
/** Of many writes as one; a single one has the database's own limit. */
const togetherMsMax = 120_000

/** The way of every admin write: resource, audit trail and configuration change commit together or not at all. */
@Injectable()
export class AuditedWrites {
  private readonly queue = new WriteQueue(writesAtOnce, waitMsMax)
  /** Those wait for each other in the database, too. */
  private readonly many = new WriteQueue(1, waitMsMax)
  private readonly units = new AsyncLocalStorage<UnitOfWork>()

  constructor(
    private readonly database: Database,
    private readonly audit: AuditRepository,
  ) {}

  /**
   * @param work is done again, from the start, when its transaction loses against another one.
   * @returns within `together`, a revision of 0: there is none before all of it is done.
   */
  async run<R>(actor: Actor, work: (tx: Transaction) => Promise<Effect<R>>): Promise<Written<R>> {
    const unit = this.units.getStore()
    if (unit !== undefined) return { row: await join(unit, work), revision: 0n }
    return this.queue.run(() => this.transaction(actor, (own) => join(own, work)))
  }

  /**
   * Makes all that `work` runs one transaction with one revision, whichever services do it (docs/decisions/0012).
   *
   * @param work as with `run`.
   */
  async together<T>(actor: Actor, work: () => Promise<T>): Promise<Written<T>> {
    const joined = async (unit: UnitOfWork): Promise<T> => {
      await this.audit.lockMany(unit.tx)
      return this.units.run(unit, work)
    }
    return this.many.run(() => this.transaction(actor, joined, togetherMsMax))
  }

  private async transaction<T>(
    actor: Actor,
    work: (unit: UnitOfWork) => Promise<T>,
    timeout?: number,
  ): Promise<Written<T>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.database.transaction(
          async (tx) => {
            const unit: UnitOfWork = { tx, effects: [] }
            const row = await work(unit)
            requireChecked()
            return { row, revision: await this.finish(unit, actor) }
          },
          { ...(timeout !== undefined && { timeout }) },
        )
      } catch (error) {
        if (tries === triesMax || databaseProblem(error)?.kind !== 'lost') throw error
      }
    }
  }

  private async finish({ tx, effects }: UnitOfWork, actor: Actor): Promise<bigint> {
    const items = effects.flatMap((effect) => effect.items)
    const events = effects.flatMap(({ events: raised = [] }) => raised)
    const now = new Date()
    const audit = effects.flatMap((effect) => effect.audit).map((entry) => auditRow(entry, actor, now))
    // From here to the commit no other write can get a revision.
    if (items.length > 0) return this.audit.insertWithChange(tx, audit, items, events, actor)
    await appendWebhookEvents(tx, events)
    await this.audit.insert(tx, audit, null)
    return this.audit.revision(tx)
  }
}

async function join<R>(unit: UnitOfWork, work: (tx: Transaction) => Promise<Effect<R>>): Promise<R> {
  const effect = await work(unit.tx)
  unit.effects.push(effect)
  return effect.row
}
