import { openFleetBus, type FleetBus, type Logger } from '@apigate/platform'
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { FleetRepository } from './fleet.repository.ts'
import { Fleet, type WorkerRow } from './fleet.ts'

/** Listens to the workers. Without the transport the fleet is unknown, and the API goes on. */
@Injectable()
export class FleetService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly fleet = new Fleet()
  private readonly bus: FleetBus

  constructor(
    private readonly repository: FleetRepository,
    @Inject(CONFIG) config: ControlPlaneConfig,
    @Inject(LOG) log: Logger,
  ) {
    this.bus = openFleetBus(config, log)
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.bus.onStatus((status) => this.fleet.hear(status, Date.now()))
  }

  async onModuleDestroy(): Promise<void> {
    await this.bus.close()
  }

  heardAt(): Date | null {
    return this.fleet.heardAt()
  }

  async workers(): Promise<WorkerRow[]> {
    return this.fleet.workers(await this.repository.configHead(), Date.now())
  }
}
