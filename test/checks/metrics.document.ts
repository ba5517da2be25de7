import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A row of docs/metrics.md. */
export interface DocumentedMetric {
  process: string
  name: string
  type: string
}

const file = path.resolve(import.meta.dirname, '../../docs/metrics.md')

/** The tables of docs/metrics.md, by the processes that their headings name. */
export function documentedMetrics(): DocumentedMetric[] {
  return readFileSync(file, 'utf8')
    .split(/^## /m)
    .flatMap((section) => {
      const processes = [...section.split('\n', 1)[0]!.matchAll(/`(proxy|jobs|api)`/g)].map(([, name]) => name!)
      const rows = [...section.matchAll(/^\| `(apigate_\w+)` *\| (\w+) /gm)]
      return processes.flatMap((process) => rows.map(([, name, type]) => ({ process, name: name!, type: type! })))
    })
}
