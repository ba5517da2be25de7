import type { ConfigItem } from '@apigate/core'
import { Injectable } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import { appendConfigChange } from '../config-publisher/index.ts'
import { requireChecked, type Written } from '../jsonapi/index.ts'
import { Database, databaseProblem, type Transaction } from '../persistence/index.ts'
import { appendWebhookEvents, type WebhookEvent } from '../webhook-outbox/index.ts'
import type { AuditEntry } from './audit-entry.ts'
import { AuditRepository } from './audit.repository.ts'

/** What a write did, for the audit trail and for the workers. */
export interface Effect<R> {
  row: R
  audit: readonly AuditEntry[]
  /** Empty when no worker needs to know: then no revision is made. */
  items: ConfigItem[]
  /** What webhooks are told of it. */
  events?: readonly WebhookEvent[]
}

const triesMax = 3

/** The way of every admin write: resource, audit trail and configuration change commit together or not at all. */
@Injectable()
export class AuditedWrites {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditRepository,
  ) {}

  /** @param work is done again, from the start, when its transaction loses against another one. */
  async run<R>(actor: Actor, work: (tx: Transaction) => Promise<Effect<R>>): Promise<Written<R>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.runOnce(actor, work)
      } catch (error) {
        if (tries === triesMax || databaseProblem(error)?.kind !== 'lost') throw error
      }
    }
  }

  private async runOnce<R>(actor: Actor, work: (tx: Transaction) => Promise<Effect<R>>): Promise<Written<R>> {
    return this.database.prisma.$transaction(async (tx) => {
      const { row, audit, items, events = [] } = await work(tx)
      requireChecked()
      await appendWebhookEvents(tx, events)
      // From here to the commit no other write can get a revision.
      const revision = items.length > 0 ? await appendConfigChange(tx, items, actor) : await this.audit.revision(tx)
      if (audit.length > 0) await this.audit.insert(tx, audit, actor, items.length > 0 ? revision : null)
      return { row, revision }
    })
  }
}
