import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentedMetrics } from '../checks/metrics.document.ts'
import { promtool, providePromtool } from '../checks/promtool.ts'
import { startSystem, type RunningSystem } from './system.ts'

let system: RunningSystem
const texts: Record<string, string> = {}

beforeAll(async () => {
  providePromtool()
  system = await startSystem('embedded')
  for (const [path, key] of [
    ['/echo/x', system.sampleKey],
    ['/echo/x', 'ak_unknown'],
    ['/nothing', ''],
  ] as const) {
    const response = await fetch(system.proxyUrl + path, { headers: key ? { 'x-api-key': key } : {} })
    await response.arrayBuffer()
  }
  await system.admin('GET', '/api/users/usr_sample')
  await system.admin('GET', '/nothing')
  const read = async (url: string, headers = {}): Promise<string> => (await fetch(url, { headers })).text()
  await waitFor(async () => {
    texts['proxy'] = await read(`${system.statusUrl}/metrics`)
    texts['jobs'] = await read(`${system.jobsUrl}/metrics`)
    // What the first publishing and the first batch bring.
    return /apigate_usage_ingest_events_total 3\n/.test(texts['jobs']) && /apigate_config_snapshot/.test(texts['jobs'])
  })
  texts['api'] = await read(`${system.adminUrl}/metrics`, { authorization: `Bearer ${system.adminKey}` })
})
afterAll(() => system?.stop())

test.each(['proxy', 'jobs', 'api'])('promtool finds nothing to say of what %s tells', (name) => {
  expect(promtool('.', ['check', 'metrics'], texts[name])).toEqual({ status: 0, said: '' })
})

test('docs/metrics.md lists what each process tells, by name and type, and nothing else', () => {
  const told = Object.entries(texts).flatMap(([process, text]) =>
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => ({ process, name, type })),
  )
  const byName = (a: { process: string; name?: string }, b: typeof a): number =>
    `${a.process} ${a.name}` < `${b.process} ${b.name}` ? -1 : 1
  expect(documentedMetrics().toSorted(byName)).toEqual(told.toSorted(byName))
})

test('answers are counted by route and class, errors by code, and labels hold no key, user or path', () => {
  const { proxy = '', api = '' } = texts
  expect(proxy).toMatch(/^apigate_requests_total\{route="\w+",status="2xx"\} 1$/m)
  expect(proxy).toContain('\napigate_requests_total{route="none",status="4xx"} 1\n')
  expect(proxy).toContain('\napigate_errors_total{code="invalid_api_key"} 1\n')
  expect(api).toMatch(/^apigate_api_requests_total\{route="GET \/api\/users\/:id",status="2xx"\} \d+$/m)
  expect(api).toMatch(/^apigate_api_requests_total\{route="none",status="4xx"\} 1$/m)
  for (const text of Object.values(texts)) expect(text).not.toMatch(/usr_|ak_|\/echo|nothing/)
})

test("the API's metrics take a key", async () => {
  expect((await fetch(`${system.adminUrl}/metrics`)).status).toBe(401)
})
