import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { documentedMetrics } from './metrics.document.ts'
import { promtool, providePromtool } from './promtool.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const rulesFile = 'ops/prometheus/apigate.rules.yml'
const rules = read(rulesFile)
const alerts = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name!)

beforeAll(providePromtool)

test('promtool takes the alert rules', () => {
  expect(promtool(root, ['check', 'rules', rulesFile])).toMatchObject({
    status: 0,
    said: expect.stringContaining('SUCCESS'),
  })
})

test('each alert fires in its trouble, and none in a healthy system', () => {
  expect(promtool(root, ['test', 'rules', 'ops/prometheus/apigate.rules.test.yml'])).toMatchObject({ status: 0 })
})

test('every alert has a runbook, and every runbook its alert', () => {
  expect(alerts.length).toBeGreaterThan(0)
  const links = [...rules.matchAll(/^ +runbook_url: docs\/runbooks\/(\w+)\.md$/gm)].map(([, name]) => name)
  expect(links).toEqual(alerts)
  const pages = globSync('docs/runbooks/Apigate*.md', { cwd: root }).map((file) => path.basename(file, '.md'))
  expect(pages.toSorted()).toEqual(alerts.toSorted())
  for (const name of alerts) {
    const page = read(`docs/runbooks/${name}.md`)
    expect(page).toMatch(new RegExp(`^# ${name}: .+`))
    expect([...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual([
      'What users see',
      'Where to look',
      'What to do',
    ])
    expect(read('docs/runbooks/README.md')).toContain(`(${name}.md)`)
  }
})

// What a process really tells is held to docs/metrics.md by test/e2e/metrics.spec.ts.
test('the alerts, the dashboard and the documents name metrics that exist', () => {
  const known = new Set(
    documentedMetrics().flatMap(({ name, type }) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const files = globSync(['ops/**/*.{yml,json}', 'docs/{*,runbooks/*}.md'], { cwd: root })
  const unknown = files.flatMap((file) =>
    [...read(file).matchAll(/\bapigate_(?!session\b)[a-z_]*[a-z]\b/g)]
      .filter(([name]) => !known.has(name))
      .map(([name]) => `${file}: ${name}`),
  )
  expect(unknown).toEqual([])
})

test('every panel of the dashboard asks something, and nothing that Prometheus cannot read', () => {
  const { panels } = JSON.parse(read('ops/grafana/apigate.json')) as {
    panels: { type: string; targets?: { expr: string }[] }[]
  }
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  expect(panels.filter(({ type, targets = [] }) => type !== 'row' && targets.length === 0)).toEqual([])
  const rule = (expr: string, n: number): string =>
    `      - { record: 'panel:n${n}', expr: ${JSON.stringify(expr.replaceAll('$__rate_interval', '5m'))} }\n`
  const text = `groups:\n  - name: panels\n    rules:\n${queries.map(rule).join('')}`
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'apigate-panels-')), 'panels.yml')
  writeFileSync(file, text)
  const checked = promtool(root, ['check', 'rules', '--lint=none', file])
  rmSync(path.dirname(file), { recursive: true })
  expect(checked).toMatchObject({ status: 0 })
})
