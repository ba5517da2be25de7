import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { startSystem, type RunningSystem } from '../e2e/system.ts'
import { runAutobahn, type AutobahnCase } from './autobahn.ts'
import { runGatewayApi, type GatewayCase, type GatewayRoute } from './gateway-api.ts'
import { runHttpRequests, type HttpRequestCase } from './http-requests.ts'
import { runLlmStreams, type LlmStreamCase } from './llm-streams.ts'
import type { Outcome, Verdict } from './verdict.ts'

const given = process.argv[2]
if (given === undefined) {
  console.error('Usage: npm run conformance -- <folder with cases>')
  process.exit(2)
}
const folder = path.resolve(process.env['INIT_CWD'] ?? '.', given)
const file = (name: string): string => path.join(folder, name)

/** The lines of a file, as objects; a file that is not there has none. */
function linesOf<T>(name: string): T[] {
  if (!existsSync(file(name))) return []
  return readFileSync(file(name), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as T)
}

type Suite = [name: string, run: (system: RunningSystem) => Promise<Verdict[]>]
const suites: Suite[] = [
  ['http-requests', (system) => runHttpRequests(system, linesOf<HttpRequestCase>('http-requests.jsonl'))],
  [
    'gateway-api',
    (system) => {
      const cases = linesOf<GatewayCase>('gateway-api.jsonl')
      if (cases.length === 0) return Promise.resolve([])
      const sets = JSON.parse(readFileSync(file('gateway-api.routes.json'), 'utf8')) as Record<
        string,
        { routes: GatewayRoute[] }
      >
      return runGatewayApi(system, sets, cases)
    },
  ],
  ['autobahn', (system) => runAutobahn(system, linesOf<AutobahnCase>('autobahn.jsonl'))],
  ['llm-streams', (system) => runLlmStreams(system, linesOf<LlmStreamCase>('llm-streams.jsonl'))],
]

// Clients that send half a request are cut off soon, and nobody else's data is in the way.
Object.assign(process.env, {
  APIGATE_HEADERS_TIMEOUT_MS: '1000',
  APIGATE_REQUEST_TIMEOUT_MS: '2000',
  APIGATE_SAMPLE_DATA: 'false',
})

const totals: Record<Outcome, number> = { passed: 0, failed: 0, 'not applicable': 0 }
let system: RunningSystem | null = null
try {
  if (!existsSync(folder)) throw new Error(`there is no folder ${folder}`)
  system = await startSystem('embedded')
  for (const [name, run] of suites) {
    const verdicts = await run(system)
    const counts: Record<Outcome, number> = { passed: 0, failed: 0, 'not applicable': 0 }
    for (const { id, outcome, reason } of verdicts) {
      counts[outcome] += 1
      totals[outcome] += 1
      if (outcome !== 'passed') console.log(`${outcome}: ${id}: ${reason}`)
    }
    console.log(`${name}: ${summary(counts)}`)
  }
  if (totals.passed + totals.failed === 0) throw new Error(`there are no cases in ${folder}`)
} catch (error) {
  // Whatever was not played is not passed.
  console.error(error)
  totals.failed += 1
} finally {
  await system?.stop()
}
console.log(summary(totals))
process.exit(totals.failed === 0 ? 0 : 1)

function summary(counts: Record<Outcome, number>): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts['not applicable']} not applicable`
}
