import type { Logger } from '@apigate/platform'
import type { LoggerService } from '@nestjs/common'

/** Nest's own messages: its inventory of modules and routes only matters when something is missing. */
export function nestLogger(log: Logger): LoggerService {
  return {
    log: (message: unknown, context?: unknown) => log.debug({ context }, String(message)),
    warn: (message: unknown, context?: unknown) => log.warn({ context }, String(message)),
    error: (message: unknown, context?: unknown) => log.error({ context }, String(message)),
  }
}
