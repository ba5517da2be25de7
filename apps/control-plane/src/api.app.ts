import 'reflect-metadata'
import type { Logger } from '@apigate/platform'
import type { LoggerService } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { AppModule } from './app.module.ts'
import type { ControlPlaneConfig } from './config.ts'
import { createAdapter, installHooks } from './http.ts'

/** The API process's application, initialised but not listening yet. */
export async function createApiApp(config: ControlPlaneConfig, log: Logger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.provide(config, log),
    createAdapter(config, log),
    { logger: nestLogger(log), bodyParser: false, abortOnError: false },
  )
  installHooks(app)
  return app.init()
}

/** Nest's own messages: its inventory of modules and routes only matters when something is missing. */
function nestLogger(log: Logger): LoggerService {
  return {
    log: (message: unknown, context?: unknown) => log.debug({ context }, String(message)),
    warn: (message: unknown, context?: unknown) => log.warn({ context }, String(message)),
    error: (message: unknown, context?: unknown) => log.error({ context }, String(message)),
  }
}
