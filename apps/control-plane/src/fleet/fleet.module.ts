import { Module } from '@nestjs/common'
import { FleetController } from './fleet.controller.ts'
import { FleetRepository } from './fleet.repository.ts'
import { FleetService } from './fleet.service.ts'

@Module({ controllers: [FleetController], providers: [FleetRepository, FleetService], exports: [FleetService] })
export class FleetModule {}
