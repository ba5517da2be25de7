import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@apigate/platform'
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import { systemActor } from '../auth/index.ts'
import type { ControlPlaneConfig } from '../config.ts'
import { ApiKeysService } from '../resources/api-keys/index.ts'
import { PlansService } from '../resources/plans/index.ts'
import { UsersService } from '../resources/users/index.ts'
import { CONFIG, LOG } from '../settings.module.ts'

const retryMs = 1_000

/**
 * Makes what an installation needs to be used at all: a default plan, "Free", when there is no plan; the admin key of
 * `APIGATE_ADMIN_KEY`; the admin account of `APIGATE_ADMIN_EMAIL` when nobody can sign in. Every replica does it at every
 * start; what is there stays as it is. While the database is away or not migrated yet it is tried again.
 */
@Injectable()
export class FirstStart implements OnApplicationBootstrap, OnModuleDestroy {
  done = false
  private readonly stopping = new AbortController()

  constructor(
    private readonly plans: PlansService,
    private readonly keys: ApiKeysService,
    private readonly users: UsersService,
    @Inject(CONFIG) private readonly config: ControlPlaneConfig,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    void this.run()
  }

  onModuleDestroy(): void {
    this.stopping.abort()
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.provide()
        this.done = true
        return
      } catch (error) {
        if (attempt === 1) this.log.warn({ err: error }, 'first start has to wait for the database')
        await delay(retryMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  private async provide(): Promise<void> {
    await this.plans.createFirst({ name: 'Free', description: 'Made on first start', is_default: true }, systemActor)
    const { adminKey, admin } = this.config
    if (adminKey !== null) {
      const scopes = ['admin:read', 'admin:write']
      await this.keys.createKnown(adminKey, { name: 'APIGATE_ADMIN_KEY', scopes }, systemActor)
    }
    if (admin === null) return
    const made = await this.users.createFirstAdmin(admin.email, admin.password, systemActor)
    if (!made) this.log.warn('a user has the address of APIGATE_ADMIN_EMAIL: no admin account was made')
  }
}
