import 'reflect-metadata'
import type { Logger } from '@apigate/platform'
import { NestFactory } from '@nestjs/core'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { AppModule } from './app.module.ts'
import type { ControlPlaneConfig } from './config.ts'
import { createAdapter, installHooks } from './http.ts'
import { nestLogger } from './nest.logger.ts'

/** The API process's application, initialised but not listening yet. */
export async function createApiApp(config: ControlPlaneConfig, log: Logger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.provide(config, log),
    createAdapter(config, log),
    { logger: nestLogger(log), bodyParser: false, abortOnError: false },
  )
  installHooks(app, config)
  return app.init()
}
