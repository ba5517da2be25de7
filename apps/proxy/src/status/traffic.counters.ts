/** Counts of what this worker does, for `/metrics` and its status. */
export class TrafficCounters {
  /** Requests whose answer is not out, and open WebSockets. */
  inFlight = 0
  /** By class: index 2 = 2xx. */
  readonly answers = [0, 0, 0, 0, 0, 0]
  latencySecondsSum = 0
  /** Requests that no upstream answered, or not to the end. */
  upstreamFailures = 0
  /** Requests that were sent to another target, or once more. */
  upstreamRetries = 0
  /** Targets that became unhealthy. */
  targetEjections = 0

  count(status: number, latencyMs: number): void {
    const statusClass = Math.floor(status / 100)
    this.answers[statusClass] = (this.answers[statusClass] ?? 0) + 1
    this.latencySecondsSum += latencyMs / 1_000
  }
}
