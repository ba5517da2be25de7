import type { Explanation, ExplainRequest } from '@apigate/contracts'
import { openFleetBus, type FleetBus, type Logger } from '@apigate/platform'
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { FleetRepository } from './fleet.repository.ts'
import { Fleet, type WorkerRow } from './fleet.ts'

const lookEveryMs = 250

/** Listens to the workers. Without the transport the fleet is unknown, and the API goes on. */
@Injectable()
export class FleetService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly fleet = new Fleet(Date.now())
  private readonly waiting = new Set<() => void>()
  private readonly bus: FleetBus
  private isClosing = false

  constructor(
    private readonly repository: FleetRepository,
    @Inject(CONFIG) config: ControlPlaneConfig,
    @Inject(LOG) log: Logger,
  ) {
    this.bus = openFleetBus(config, log)
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.bus.onStatus((status) => {
      this.fleet.hear(status, Date.now())
      for (const look of this.waiting) look()
    })
  }

  async onModuleDestroy(): Promise<void> {
    this.isClosing = true
    for (const look of this.waiting) look()
    await this.bus.close()
  }

  get isConnected(): boolean {
    return this.bus.isConnected
  }

  heardAt(): Date | null {
    return this.fleet.heardAt()
  }

  async workers(): Promise<WorkerRow[]> {
    return this.fleet.workers(await this.repository.configHead(), Date.now())
  }

  /**
   * Waits until every live worker has applied a revision, but no longer than `waitMs`.
   *
   * @returns who has not: empty when all have, null when it cannot be told.
   */
  async behind(revision: number, waitMs: number): Promise<string[] | null> {
    const { epoch } = await this.repository.configHead()
    const look = (): string[] | null => this.fleet.behind({ epoch, revision }, Date.now())
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(deadline)
        clearInterval(again)
        this.waiting.delete(check)
        resolve(look())
      }
      const check = (): void => {
        if (this.isClosing || look()?.length === 0) end()
      }
      const deadline = setTimeout(end, waitMs)
      // Not only words count: a worker that has gone silent does so without one.
      const again = setInterval(check, lookEveryMs)
      this.waiting.add(check)
      check()
    })
  }

  /** @throws when the worker does not answer in time. */
  async explain(worker: string, request: ExplainRequest, timeoutMs: number): Promise<Explanation> {
    return this.bus.askToExplain(worker, request, timeoutMs)
  }
}
