import { getHeapStatistics } from 'node:v8'

/** A value and what tells it from the others of its name. Values of labels are bounded: never a key, a user or a path. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/**
 * A metric in Prometheus's text format 0.0.4.
 *
 * @param value null: not known, and left out; a 0 would be a lie.
 */
export function metric(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: number | readonly Sample[] | null,
): string {
  if (value === null) return ''
  const samples =
    typeof value === 'number' ? `${name} ${value}\n` : value.map((each) => sampleLine(name, each)).join('')
  return `${metricHead(type, name, help)}${samples}`
}

export function metricHead(type: 'counter' | 'gauge' | 'histogram', name: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

export function sampleLine(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${name}{${pairs.join(',')}} ${value}\n`
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function escaped(text: string): string {
  return text.replaceAll(/[\\"\n]/g, (character) => escapes[character]!)
}

/** What every process tells of itself. */
export function processMetrics(): string {
  const { user, system } = process.cpuUsage()
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
  return [
    metric('counter', 'apigate_process_cpu_seconds_total', 'CPU time used.', (user + system) / 1e6),
    metric('gauge', 'apigate_process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss()),
    metric('gauge', 'apigate_process_heap_used_bytes', 'JavaScript heap in use.', used),
    metric('gauge', 'apigate_process_heap_limit_bytes', 'JavaScript heap at which the process ends.', limit),
    metric(
      'gauge',
      'apigate_process_start_time_seconds',
      'When the process started, in Unix time.',
      Math.round(performance.timeOrigin / 1_000),
    ),
  ].join('')
}
