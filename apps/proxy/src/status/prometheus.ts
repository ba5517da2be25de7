import type { WorkerStatus } from '@apigate/contracts'
import { metric, processMetrics } from '@apigate/platform'
import type { LeasedLimits } from '../limits/leased.limits.ts'
import type { UsageSpool } from '../usage/index.ts'
import type { TrafficCounters } from './traffic.counters.ts'

export interface WorkerFigures {
  status: WorkerStatus
  counters: TrafficCounters
  spool: Pick<UsageSpool, 'diskBytes' | 'diskBytesMax' | 'lostEvents' | 'oldestReceivedMs'>
  limits: Pick<LeasedLimits, 'breaker' | 'alone' | 'aloneAdmitted'>
  webSockets: number
}

/** What a worker tells, in Prometheus's text format. Labels are bounded: routes, classes of status, codes of errors. */
export async function prometheusText({ status, counters, spool, limits, webSockets }: WorkerFigures): Promise<string> {
  return [
    counters.routes.text('apigate_'),
    metric(
      'counter',
      'apigate_errors_total',
      'Exchanges that ended with an error, by its code: refusals of limits among them.',
      [...counters.errors].map(([code, count]) => [{ code }, count] as const),
    ),
    metric('gauge', 'apigate_requests_in_flight', 'Requests and WebSockets that run.', status.inFlight),
    metric('gauge', 'apigate_websockets_open', 'Open WebSockets.', webSockets),
    metric('gauge', 'apigate_ready', '1 while the worker takes traffic.', Number(status.ready)),
    config(status),
    upstreams(status, counters),
    sharedLimits(limits),
    await usage(status, spool),
    processMetrics(),
  ].join('')
}

function config({ revision, problem }: WorkerStatus): string {
  return [
    metric('gauge', 'apigate_config_revision', 'Configuration revision that is live.', revision),
    metric(
      'gauge',
      'apigate_config_problem',
      '1 while the newest configuration is not live.',
      Number(problem !== null),
    ),
  ].join('')
}

function upstreams({ unhealthyTargets = [] }: WorkerStatus, counters: TrafficCounters): string {
  return [
    metric(
      'counter',
      'apigate_upstream_failures_total',
      'Requests that no upstream answered, or not to the end.',
      counters.upstreamFailures,
    ),
    metric(
      'counter',
      'apigate_upstream_retries_total',
      'Requests that were sent to an upstream once more.',
      counters.upstreamRetries,
    ),
    metric('counter', 'apigate_upstream_ejections_total', 'Targets that became unhealthy.', counters.targetEjections),
    metric('gauge', 'apigate_upstream_targets_unhealthy', 'Targets that get no requests.', unhealthyTargets.length),
  ].join('')
}

function sharedLimits({ breaker, alone, aloneAdmitted }: WorkerFigures['limits']): string {
  return [
    metric('counter', 'apigate_limits_calls_total', 'Exchanges with the shared limits, by outcome.', [
      [{ outcome: 'answered' }, breaker.calls],
      [{ outcome: 'failed' }, breaker.failures],
    ]),
    metric('counter', 'apigate_limits_alone_total', 'Decisions without the shared limits.', [
      [{ decision: 'admitted' }, aloneAdmitted],
      [{ decision: 'refused' }, alone - aloneAdmitted],
    ]),
    metric('gauge', 'apigate_limits_away', '1 while the shared limits are away.', Number(breaker.isAway)),
  ].join('')
}

async function usage({ spoolEvents }: WorkerStatus, spool: WorkerFigures['spool']): Promise<string> {
  // A disk that cannot be read is no reason to tell nothing at all.
  const oldestMs = await spool.oldestReceivedMs().catch(() => NaN)
  const ageSeconds = oldestMs === null ? 0 : Math.max(0, (Date.now() - oldestMs) / 1_000)
  return [
    metric('gauge', 'apigate_usage_spool_events', 'Usage events that the ledger has not acknowledged.', spoolEvents),
    metric(
      'gauge',
      'apigate_usage_oldest_event_age_seconds',
      'How long ago the oldest of them was received.',
      Number.isNaN(ageSeconds) ? null : ageSeconds,
    ),
    metric('gauge', 'apigate_usage_spool_bytes', 'Size of the usage spool on disk.', spool.diskBytes),
    metric('gauge', 'apigate_usage_spool_limit_bytes', 'Size at which new events are lost.', spool.diskBytesMax),
    metric('counter', 'apigate_usage_lost_events_total', 'Usage events that could not be kept.', spool.lostEvents),
  ].join('')
}
