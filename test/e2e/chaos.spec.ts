import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { runChaos } from '../chaos/chaos.ts'
import { faults } from '../chaos/faults/faults.mjs'

test('every answer is in the ledger once, and limits hold, while parts of the system are killed', async () => {
  const said: string[] = []
  const { hits, rows, limits, differences } = await runChaos({ seed: 7, kills: 4, say: (line) => said.push(line) })
  expect(differences, said.join('\n')).toEqual([])
  expect(rows.length).toBe(8)
  for (const row of rows) expect(row.answers).toBeGreaterThan(0)
  // One of each kind first: four kills are of four kinds.
  const hit = Object.entries(hits).filter(([, { SIGKILL }]) => SIGKILL > 0)
  expect(new Set(hit.map(([name]) => name.replace(/-\d$/, ''))).size).toBe(4)
  expect(limits.find(({ customer }) => customer === 'limited')!.admitted).toBeGreaterThan(50)
})

test('the check finds limits that are broken on purpose', async () => {
  const { differences } = await runChaos({ seed: 7, kills: 0, fault: 'lease', say: () => {} })
  expect(differences).toEqual([expect.stringMatching(/^limited: \d+ admitted, \d+ allowed$/)])
})

test.each(Object.entries(faults))('the fault %s still finds what it breaks', (_, { file, changes }) => {
  const [, app = '', ...rest] = file.split('/')
  const folder = app === 'platform' ? 'libs' : 'apps'
  const built = readFileSync(path.join(import.meta.dirname, '../..', folder, app, ...rest), 'utf8')
  for (const [text] of changes) expect(built).toContain(text)
})
