import { setTimeout as delay } from 'node:timers/promises'
import { throttled, type Logger } from '@apigate/platform'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import type { HousekeepingRepository } from './housekeeping.repository.ts'

export interface Retention {
  /** 0: for ever. */
  webhookRetentionDays: number
  auditRetentionDays: number
}

const dayMs = 86_400_000
const expiryEveryMs = 10_000
const retentionEveryMs = 3_600_000
/** Rows of one transaction. */
const rowsMax = 1_000

/** What has to be done from time to time. Every process does it; what two do at once is done once. */
export class Housekeeping implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #closing = new AbortController()
  readonly #warn: (error: unknown) => void
  #running: Promise<void> | null = null

  constructor(
    private readonly repository: HousekeepingRepository,
    private readonly retention: Retention,
    log: Logger,
  ) {
    this.#warn = throttled(log, 'warn', 'housekeeping has to wait')
  }

  onApplicationBootstrap(): void {
    this.#running ??= this.#run()
  }

  async onModuleDestroy(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let retainedMs = -Infinity
    let divideAtMs = 0
    while (!signal.aborted) {
      try {
        await this.noteExpiredKeys(new Date())
        if (performance.now() - retainedMs > retentionEveryMs) {
          await this.deleteOld(Date.now())
          retainedMs = performance.now()
        }
        if (performance.now() > divideAtMs) {
          const beganMs = performance.now()
          await this.divideParts()
          // At most a hundredth of the time, whatever it takes.
          divideAtMs = beganMs + 100 * (performance.now() - beganMs)
        }
      } catch (error) {
        this.#warn(error)
      }
      await delay(expiryEveryMs, undefined, { signal }).catch(() => {})
    }
  }

  async noteExpiredKeys(now: Date): Promise<void> {
    await this.#repeat(() => this.repository.noteExpiredKeys(now, rowsMax))
  }

  async deleteOld(nowMs: number): Promise<void> {
    const { webhookRetentionDays, auditRetentionDays } = this.retention
    const before = (days: number): Date => new Date(nowMs - days * dayMs)
    if (webhookRetentionDays > 0) {
      await this.#repeat(() => this.repository.deleteWebhookEvents(before(webhookRetentionDays), rowsMax))
    }
    if (auditRetentionDays > 0) {
      await this.#repeat(() => this.repository.deleteAuditEvents(before(auditRetentionDays), rowsMax))
    }
  }

  /** So that a deep page of a large list begins near its place. */
  async divideParts(): Promise<void> {
    while (!this.#closing.signal.aborted && (await this.repository.divideParts()));
  }

  /** In small transactions, so that nobody waits for long. */
  async #repeat(step: () => Promise<number>): Promise<void> {
    while (!this.#closing.signal.aborted && (await step()) >= rowsMax);
  }
}
