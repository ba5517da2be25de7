import { expect, test } from 'vitest'
import { runChaos } from '../chaos/chaos.ts'

test('every answer is in the ledger once, and limits hold, while parts of the system are killed', async () => {
  const said: string[] = []
  const { rows, limits, differences } = await runChaos({ seed: 7, kills: 4, say: (line) => said.push(line) })
  expect(differences, said.join('\n')).toEqual([])
  expect(rows.length).toBe(8)
  for (const row of rows) expect(row.answers).toBeGreaterThan(0)
  expect(limits.find(({ customer }) => customer === 'limited')!.admitted).toBeGreaterThan(50)
})
