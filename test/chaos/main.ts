import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'

const { values } = parseArgs({ options: { seed: { type: 'string' }, kills: { type: 'string', default: '20' } } })
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed)
const kills = Number(values.kills)
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(kills) || kills < 0) {
  console.error('Usage: npm run chaos -- [--seed N] [--kills N]')
  process.exit(2)
}
console.log(`seed ${seed}, ${kills} kills`)
const { rows, limits, differences } = await runChaos({ seed, kills, say: (line) => console.log(line) })
console.table(rows)
console.table(limits)
for (const line of differences) console.error(`DIFFERENCE: ${line}`)
console.log(differences.length === 0 ? 'everything adds up' : `${differences.length} differences`)
process.exit(differences.length === 0 ? 0 : 1)
