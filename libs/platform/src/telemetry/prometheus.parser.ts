export interface ParsedSample {
  /** With the suffix of a histogram's part. */
  name: string
  labels: Record<string, string>
  value: number
}

export interface ParsedMetric {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  samples: ParsedSample[]
}

const head = /^# (HELP|TYPE) (\S+) (.*)$/
const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/** Reads Prometheus's text format as `metric`, `metricHead` and `sampleLine` write it. */
export function parsePrometheusText(text: string): ParsedMetric[] {
  const metrics: ParsedMetric[] = []
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = head.exec(line) ?? []
    if (kind === 'HELP') metrics.push({ name, help: rest, type: 'gauge', samples: [] })
    const metric = metrics.at(-1)
    if (metric === undefined) continue
    if (kind === 'TYPE') metric.type = rest as ParsedMetric['type']
    const parts = kind === undefined ? sample.exec(line) : null
    if (parts !== null) {
      const pairs = [...(parts[2] ?? '').matchAll(label)].map(([, key = '', value = '']) => [key, unescaped(value)])
      metric.samples.push({
        ...{ name: parts[1]!, value: Number(parts[3]) },
        labels: Object.fromEntries(pairs) as Record<string, string>,
      })
    }
  }
  return metrics
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
}
