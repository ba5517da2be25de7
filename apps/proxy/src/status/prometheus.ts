import type { WorkerStatus } from '@apigate/contracts'
import type { LeasedLimits } from '../limits/leased.limits.ts'
import type { UsageSpool } from '../usage/index.ts'
import type { TrafficCounters } from './traffic.counters.ts'

/** Prometheus text format 0.0.4. Labels are bounded: status classes. */
export function prometheusText(
  status: WorkerStatus,
  counters: TrafficCounters,
  spool: Pick<UsageSpool, 'diskBytes' | 'lostEvents'>,
  { breaker, alone }: Pick<LeasedLimits, 'breaker' | 'alone'>,
  webSockets: number,
): string {
  const answers = counters.answers.flatMap((count, statusClass) =>
    statusClass === 0 ? [] : [`apigate_requests_total{status="${statusClass}xx"} ${count}`],
  )
  const total = counters.answers.reduce((sum, count) => sum + count, 0)
  return `${[
    '# HELP apigate_requests_total Exchanges that ended, by class of the answer.',
    '# TYPE apigate_requests_total counter',
    ...answers,
    '# HELP apigate_request_duration_seconds Time from a request to the end of its answer.',
    '# TYPE apigate_request_duration_seconds summary',
    `apigate_request_duration_seconds_sum ${counters.latencySecondsSum}`,
    `apigate_request_duration_seconds_count ${total}`,
    ...gauge('apigate_requests_in_flight', 'Requests and WebSockets that run.', status.inFlight),
    ...gauge('apigate_websockets_open', 'Open WebSockets.', webSockets),
    ...gauge('apigate_config_revision', 'Configuration revision that is live.', status.revision ?? 0),
    ...gauge(
      'apigate_config_problem',
      '1 while the newest configuration is not live.',
      status.problem === null ? 0 : 1,
    ),
    '# HELP apigate_upstream_failures_total Requests that no upstream answered, or not to the end.',
    '# TYPE apigate_upstream_failures_total counter',
    `apigate_upstream_failures_total ${counters.upstreamFailures}`,
    '# HELP apigate_upstream_retries_total Requests that were sent to an upstream once more.',
    '# TYPE apigate_upstream_retries_total counter',
    `apigate_upstream_retries_total ${counters.upstreamRetries}`,
    '# HELP apigate_upstream_ejections_total Targets that became unhealthy.',
    '# TYPE apigate_upstream_ejections_total counter',
    `apigate_upstream_ejections_total ${counters.targetEjections}`,
    ...gauge(
      'apigate_upstream_targets_unhealthy',
      'Targets that get no requests.',
      status.unhealthyTargets?.length ?? 0,
    ),
    ...gauge('apigate_ready', '1 while the worker takes traffic.', status.ready ? 1 : 0),
    ...gauge('apigate_usage_spool_events', 'Usage events that the ledger has not acknowledged.', status.spoolEvents),
    ...gauge('apigate_usage_spool_bytes', 'Size of the usage spool on disk.', spool.diskBytes),
    '# HELP apigate_usage_lost_events_total Usage events that could not be kept.',
    '# TYPE apigate_usage_lost_events_total counter',
    `apigate_usage_lost_events_total ${spool.lostEvents}`,
    '# HELP apigate_limits_calls_total Exchanges with the shared limits, by outcome.',
    '# TYPE apigate_limits_calls_total counter',
    `apigate_limits_calls_total{outcome="answered"} ${breaker.calls}`,
    `apigate_limits_calls_total{outcome="failed"} ${breaker.failures}`,
    '# HELP apigate_limits_alone_total Decisions without the shared limits.',
    '# TYPE apigate_limits_alone_total counter',
    `apigate_limits_alone_total ${alone}`,
    ...gauge('apigate_limits_away', '1 while the shared limits are away.', breaker.isAway ? 1 : 0),
    ...gauge('apigate_process_resident_memory_bytes', 'Resident memory.', status.rssBytes),
  ].join('\n')}\n`
}

function gauge(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`]
}
