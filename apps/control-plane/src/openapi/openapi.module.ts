import { Module } from '@nestjs/common'
import { DiscoveryModule } from '@nestjs/core'
import { DocsController } from './docs.controller.ts'
import { EndpointList } from './endpoint.list.ts'
import { OpenApiController } from './openapi.controller.ts'

@Module({ imports: [DiscoveryModule], controllers: [OpenApiController, DocsController], providers: [EndpointList] })
export class OpenApiModule {}
