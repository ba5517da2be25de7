import type { Readiness } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { FirstStart } from '../first-start/index.ts'
import { HealthRepository } from './health.repository.ts'

/** Ready = the database answers, is migrated, holds what a first start makes, and the process is not ending. */
@Injectable()
export class ReadinessCheck {
  private draining = false

  constructor(
    private readonly repository: HealthRepository,
    private readonly firstStart: FirstStart,
  ) {}

  drain(): void {
    this.draining = true
  }

  async check(): Promise<Readiness> {
    const migrated = await this.repository.isMigrated().catch(() => null)
    const { done } = this.firstStart
    return {
      ready: migrated === true && done && !this.draining,
      dependencies: {
        postgres: migrated === null ? 'down' : 'up',
        migrations: migrated === null ? 'unknown' : migrated ? 'applied' : 'missing',
        first_start: done ? 'done' : 'waiting',
        ...(this.draining && { process: 'draining' }),
      },
    }
  }
}
