import type { ErrorCode } from '@apigate/errors'
import { RouteTraffic } from '@apigate/platform'

/** Counts of what this worker does, for `/metrics` and its status. */
export class TrafficCounters {
  /** Requests whose answer is not out, and open WebSockets. */
  inFlight = 0
  readonly routes = new RouteTraffic()
  readonly errors = new Map<ErrorCode, number>()
  /** Requests that no upstream answered, or not to the end. */
  upstreamFailures = 0
  /** Requests that were sent to another target, or once more. */
  upstreamRetries = 0
  /** Targets that became unhealthy. */
  targetEjections = 0

  /** @param route the id; undefined where none matched. */
  count(route: string | undefined, status: number, latencyMs: number, error: ErrorCode | null): void {
    this.routes.count(route ?? 'none', status, latencyMs / 1_000)
    if (error !== null) this.errors.set(error, (this.errors.get(error) ?? 0) + 1)
  }
}
