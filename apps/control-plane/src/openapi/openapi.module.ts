import { Module } from '@nestjs/common'
import { DiscoveryModule } from '@nestjs/core'
import { EndpointList } from './endpoint.list.ts'
import { OpenApiController } from './openapi.controller.ts'

@Module({ imports: [DiscoveryModule], controllers: [OpenApiController], providers: [EndpointList] })
export class OpenApiModule {}
