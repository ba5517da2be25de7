import { createLogger, stdoutByTurn, type LogDestination, type Logger } from '@apigate/platform'
import type { Exchange } from '../pipeline/exchange.ts'

/** A line for each exchange that ended, on stdout: the ledger says the same, for those who want it in their logs. */
export class AccessLog {
  readonly #log: Logger
  readonly #worker: string

  constructor(worker: string, destination: LogDestination = stdoutByTurn()) {
    // Its own: LOG_LEVEL is about what is worth knowing of the process.
    this.#log = createLogger({ name: 'proxy', level: 'info', destination })
    this.#worker = worker
  }

  /** The query is left out, since clients put secrets there. */
  write(exchange: Exchange, latencyMs: number): void {
    const { owner } = exchange
    const fields = {
      request_id: exchange.requestId,
      trace_id: exchange.traceId ?? undefined,
      method: exchange.method,
      path: exchange.path,
      route_id: exchange.route?.id ?? null,
      status_code: exchange.status,
      error_code: exchange.errorCode,
      latency_ms: Math.round(latencyMs * 1_000) / 1_000,
      request_bytes: exchange.requestBytes,
      response_bytes: exchange.responseBytes,
      user_id: owner?.kind === 'user' ? owner.id : null,
      group_id: owner?.kind === 'group' ? owner.id : null,
      api_key_id: exchange.keyId,
      client_ip: exchange.gateway.recordClientIp ? exchange.clientAddress : null,
      worker: this.#worker,
    }
    this.#log.info(fields, 'access')
  }
}
