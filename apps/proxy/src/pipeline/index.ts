import type { Exchange } from './exchange.ts'
import { refuse } from './finish.ts'
import { refusal, type Refusal } from './refusal.ts'
import { authenticate } from './stages/authenticate.ts'
import { checkOwner } from './stages/check-owner.ts'
import { forward } from './stages/forward.ts'
import { matchRoute } from './stages/match-route.ts'
import { reserveQuota } from './stages/reserve-quota.ts'
import { rewrite } from './stages/rewrite.ts'
import { takeRateToken } from './stages/take-rate-token.ts'
import { transformRequest } from './stages/transform-request.ts'

/** Lets the request go on (null), or refuses it. A promise only where a stage must wait. */
export type AdmissionStage = (exchange: Exchange) => Refusal | null | Promise<Refusal | null>

/**
 * THE order of what is done with a request: these stages, then `forward`; on the way back `transformResponse`,
 * by the `AnswerRelay`, then `meter` and `record`, by `finish`, which everything comes by that answers a client.
 */
export const admissionStages: readonly AdmissionStage[] = [
  matchRoute,
  authenticate,
  checkOwner,
  reserveQuota,
  takeRateToken,
  transformRequest,
  rewrite,
]

/** Runs the stages without waiting where none of them waits: then the upstream is asked before this returns. */
export function runPipeline(exchange: Exchange): void {
  runFrom(exchange, 0)
}

function runFrom(exchange: Exchange, start: number): void {
  try {
    for (let i = start; i < admissionStages.length; i++) {
      // The client went away while a stage was waiting.
      if (exchange.isFinished || exchange.isClientGone) return
      const verdict = admissionStages[i]!(exchange)
      if (verdict === null) continue
      if (!(verdict instanceof Promise)) return refuse(exchange, verdict)
      verdict.then(
        (later) => (later === null ? runFrom(exchange, i + 1) : refuse(exchange, later)),
        (error: unknown) => fail(exchange, error),
      )
      return
    }
    forward(exchange)
  } catch (error) {
    fail(exchange, error)
  }
}

function fail(exchange: Exchange, error: unknown): void {
  exchange.gateway.log.error({ err: error, ...exchange.logFields }, 'a stage failed')
  refuse(exchange, refusal('internal_error', undefined, [], exchange.requestId))
}
