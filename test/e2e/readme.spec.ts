import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSystem, type RunningSystem } from './system.ts'

const readme = readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8')

let system: RunningSystem
beforeAll(async () => {
  system = await startSystem('embedded')
})
afterAll(() => system?.stop())

/** The tour's blocks in order, for the ports and the folder of the system under test. */
function tourBlocks(): string[] {
  const tour = /## Five-minute tour\n(.*?)\n## /s.exec(readme)?.[1] ?? ''
  return [...tour.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) =>
    (block ?? '')
      .replaceAll('http://127.0.0.1:8080', system.adminUrl)
      .replaceAll('http://127.0.0.1:8000', system.proxyUrl)
      .replaceAll('http://127.0.0.1:8090', system.echoUrl)
      .replaceAll('.data/', `'${system.dataDir}'/`),
  )
}

test('the tour does what it says when pasted', async () => {
  const blocks = tourBlocks()
  expect(blocks).toHaveLength(9)
  const mark = '--- next block'
  const pasted = blocks.map((block) => `${block}\necho '${mark}'`).join('\n')
  const { status, stdout, stderr } = spawnSync('bash', ['-c', pasted], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const [, customer, route, call, limit, used, month, explained, revoked] = stdout.split(mark)

  expect(customer).toContain('"id":"plan_tour"')
  expect(customer).toContain('"id":"usr_tour"')
  expect(customer).not.toContain('errors')
  expect(route).toContain('"id":"rte_tour"')
  expect(call).toMatch(/^\s*HTTP\/1\.1 200/)
  expect(call).toContain('"url": "/v1/today?city=Graz"')
  expect(call).toContain('"x-user-id": "usr_tour"')
  expect(call).not.toMatch(/ak_[0-9a-f]{64}/)
  expect(limit?.trim().split(/\s+/)).toEqual(expect.arrayContaining(['200', '429']))
  expect(used).toContain('"status_code":429')
  expect(month).toContain('"type":"usage_summaries"')
  expect(explained).toContain('"route":{"id":"rte_tour"')
  expect(explained).toContain('"url":"http')
  expect(revoked).toMatch(/HTTP\/1\.1 401 .*key_revoked/s)

  const usage = '/api/usage-events?filter[user]=usr_tour&page[size]=100'
  await waitFor(async () => (await system.admin('GET', usage)).document.meta.total === 10)
})
